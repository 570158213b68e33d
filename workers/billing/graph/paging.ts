import { MetrlyError } from "#kernel/errors.js";
import type { PageInfoType } from "./types.js";

const MAX_PAGE = 200;

export interface PageArguments {
  readonly first: number;
  readonly after: string | null;
}

/** Where a page begins: rows with a position below `before`, `take` of them, one more than fits to see whether there are more. */
export interface PageStart {
  readonly before: number;
  readonly take: number;
}

/** Throws INVALID for a size out of range or a cursor that this list never gave. */
export function pageStart({ first, after }: PageArguments): PageStart {
  if (first < 1 || first > MAX_PAGE) throw new MetrlyError("INVALID", `first: must be from 1 to ${MAX_PAGE}`);
  return { before: after === null ? Number.MAX_SAFE_INTEGER : positionOf(after), take: first + 1 };
}

export function pageOf<T>(
  rows: readonly T[],
  { take }: PageStart,
  position: (row: T) => number,
): { nodes: readonly T[]; pageInfo: PageInfoType } {
  const nodes = rows.slice(0, take - 1);
  const last = nodes.at(-1);
  return {
    nodes,
    pageInfo: {
      hasNextPage: rows.length >= take,
      endCursor: last === undefined ? null : Buffer.from(String(position(last))).toString("base64url"),
    },
  };
}

function positionOf(cursor: string): number {
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  if (!/^\d{1,15}$/.test(text)) throw new MetrlyError("INVALID", "after: this is not a cursor of this list");
  return Number(text);
}
