import { Decimal } from "#kernel/decimal.js";
import type { QuotasQuery } from "../graphql/graphql.js";

type Quota = NonNullable<QuotasQuery["tenant"]>["quotas"][number];

interface Counted {
  readonly meter: string | null;
  readonly unit: string;
  readonly currency: string | null;
}

/** What a limit is on: a meter, requests, or money. */
export const countedBy = ({ meter, unit, currency }: Counted): string =>
  unit === "MONEY" ? `money (${currency})` : (meter ?? "requests");

/** A limit's state for people: the graph's EXCEEDED is REACHED while nothing is over the limit. */
export function stateOf({
  state,
  used,
  reserved,
  limit,
}: Pick<Quota, "state" | "used" | "reserved"> & {
  readonly limit: { readonly limit: string };
}): string {
  const isOver = new Decimal(used).plus(reserved).greaterThan(limit.limit);
  return state === "EXCEEDED" && !isOver ? "REACHED" : state;
}
