import { MetrlyError } from "#kernel/errors.js";

/** Default and maximum page size of every list in the graph. */
export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 200;

export interface Page<Node> {
  readonly nodes: readonly Node[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
}

/** One page as requested by a client. */
export interface OpenPage<Position> {
  /** The page starts after this position; undefined: at the beginning of the list. */
  readonly after: Position | undefined;
  /** Rows to read: one more than the page size, to detect a next page. */
  readonly take: number;
  of<Row, Node>(rows: readonly Row[], position: (row: Row) => Position, view: (row: Row) => Node): Page<Node>;
}

/**
 * An ordered list or stream of the graph. Its cursors contain its name and the scope in which its positions are valid (such as
 * the tenant that numbers its invoices); every other list and scope refuses them with INVALID.
 */
export interface PagedList<Position> {
  cursorAt(position: Position, scope?: string): string;
  /** Throws INVALID unless the cursor belongs to this list and scope. */
  positionOf(cursor: string, scope?: string): Position;
  /** Throws INVALID for a foreign cursor, and for a size out of range. */
  open(
    page: { readonly first: number | null; readonly after: string | null | undefined },
    scope?: string,
  ): OpenPage<Position>;
}

/** A list with whole numbers as positions. */
export const numberedList = (name: string): PagedList<number> =>
  pagedList(name, (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined));

/** A list with text-ordered ids as positions. */
export const listOfIds = (name: string): PagedList<string> =>
  pagedList(name, (text) => (/^[a-z0-9_-]{1,64}$/.test(text) ? text : undefined));

function pagedList<Position extends number | string>(
  name: string,
  parse: (text: string) => Position | undefined,
): PagedList<Position> {
  const cursorAt = (position: Position, scope?: string): string =>
    Buffer.from([name, position, ...(scope === undefined ? [] : [scope])].join(":")).toString("base64url");

  function positionOf(cursor: string, scope?: string): Position {
    // Release 0.1 put a space after the name and omitted the scope: subscribers still hold such cursors.
    const found = /^([a-z]+)[: ]([^:]*)(?::(.*))?$/.exec(Buffer.from(cursor, "base64url").toString());
    const position = found?.[1] === name ? parse(found[2] ?? "") : undefined;
    const isElsewhere = found?.[3] !== undefined && found[3] !== scope;
    if (position === undefined || isElsewhere) throw new MetrlyError("INVALID", "after: not a cursor of this list");
    return position;
  }

  return {
    cursorAt,
    positionOf,
    open({ first, after }, scope) {
      const size = first ?? DEFAULT_PAGE_SIZE;
      if (size < 1 || size > MAX_PAGE_SIZE)
        throw new MetrlyError("INVALID", `first: must be from 1 to ${MAX_PAGE_SIZE}`);
      return {
        after: after === null || after === undefined ? undefined : positionOf(after, scope),
        take: size + 1,
        of(rows, position, view) {
          const shown = rows.slice(0, size);
          const last = shown.at(-1);
          const endCursor = last === undefined ? null : cursorAt(position(last), scope);
          return { nodes: shown.map(view), pageInfo: { hasNextPage: rows.length > size, endCursor } };
        },
      };
    },
  };
}
