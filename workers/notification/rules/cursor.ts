import { MetrlyError } from "#kernel/errors.js";

/** A position in a tenant's stream of notices: 0 is before the first. Opaque to clients, the same in lists and subscriptions. */
export function noticeCursor(number: number): string {
  return Buffer.from(`notice ${number}`).toString("base64url");
}

/** Throws INVALID for a text that is no such cursor. */
export function parseNoticeCursor(cursor: string): number {
  const found = /^notice (0|[1-9]\d{0,15})$/.exec(Buffer.from(cursor, "base64url").toString("latin1"));
  const number = Number(found?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(number)) throw new MetrlyError("INVALID", "`after` is not a cursor of this stream");
  return number;
}

/** Position in a list of deliveries, newest first. */
export const deliveryCursor = (id: string): string => Buffer.from(`delivery ${id}`).toString("base64url");

export function parseDeliveryCursor(cursor: string): string {
  const found = /^delivery ([a-z0-9_-]{1,64})$/.exec(Buffer.from(cursor, "base64url").toString("latin1"));
  if (found?.[1] === undefined) throw new MetrlyError("INVALID", "`after` is not a cursor of this list");
  return found[1];
}

const DEFAULT_PAGE = 50;
const MAX_PAGE = 200;

/** The size of a page: 50 unless asked otherwise. Throws INVALID outside 1..200. */
export function pageSize(asked: number | null | undefined): number {
  const first = asked ?? DEFAULT_PAGE;
  if (!Number.isInteger(first) || first < 1 || first > MAX_PAGE)
    throw new MetrlyError("INVALID", `\`first\` must be 1..${MAX_PAGE}, not ${first}`);
  return first;
}
