import { Directive, Field, ObjectType } from "type-graphql";
import { MetrlyError } from "#kernel/errors.js";
import { CursorScalar } from "#platform/graphql/scalars.js";
import type { PageRequest } from "../store/store.js";

export const DEFAULT_PAGE = 50;
const MAX_PAGE = 200;

@Directive("@shareable")
@ObjectType()
export class PageInfo {
  @Field(() => Boolean)
  readonly hasNextPage: boolean;

  @Field(() => CursorScalar, { nullable: true })
  readonly endCursor: string | null;

  constructor(hasNextPage: boolean, endCursor: string | null) {
    this.hasNextPage = hasNextPage;
    this.endCursor = endCursor;
  }
}

export interface Page<T> {
  readonly nodes: readonly T[];
  readonly pageInfo: PageInfo;
}

/** Reads the arguments of a paged field. Throws INVALID for a size out of range or a cursor that this list never gave. */
export function pageRequest(first: number | null, cursor: string | null, list: string): PageRequest {
  const size = first ?? DEFAULT_PAGE;
  if (size < 1 || size > MAX_PAGE) throw new MetrlyError("INVALID", `first: must be from 1 to ${MAX_PAGE}`);
  return { after: cursor === null ? undefined : positionOf(cursor, list), take: size + 1 };
}

/** Makes a page of rows that were asked for with one more than fits: that one tells that there are more. */
export function pageOf<T>(
  rows: readonly T[],
  { take }: PageRequest,
  list: string,
  position: (row: T) => number,
): Page<T> {
  const nodes = rows.slice(0, take - 1);
  const last = nodes.at(-1);
  const cursor = last === undefined ? null : Buffer.from(`${list}:${position(last)}`).toString("base64url");
  return { nodes, pageInfo: new PageInfo(rows.length >= take, cursor) };
}

function positionOf(cursor: string, list: string): number {
  const [name, digits] = Buffer.from(cursor, "base64url").toString("utf8").split(":");
  const position = /^\d{1,15}$/.test(digits ?? "") ? Number(digits) : undefined;
  if (name !== list || position === undefined)
    throw new MetrlyError("INVALID", "after: this is not a cursor of this list");
  return position;
}
