import type { TenantState } from "#schema/events/tenancy-changed.v1.js";
import { type PartyText, partyProblems } from "#schema/party.js";
import type { Reason } from "./reasons.js";

/** How often a tenant's buyer can change: its history is part of its state, and invoices are derived from it. */
export const MAX_BUYERS = 200;

/** A buyer as a client gives it. */
export interface BuyerTerms {
  /** Undefined: the tenant's name. */
  readonly name: string | undefined;
  readonly addressLines: readonly string[];
}

type Buyers = NonNullable<TenantState["buyers"]>;

export const newBuyer = (tenantName: string, { name, addressLines }: BuyerTerms): PartyText => ({
  name: name ?? tenantName,
  addressLines,
});

export const buyerReasons = (buyer: PartyText): Reason[] =>
  partyProblems(buyer).map(({ path, detail }) => ({ path: `buyer.${path}`, detail }));

/** The buyer now. */
export function currentBuyer({ name, buyers }: Pick<TenantState, "name" | "buyers">): PartyText {
  const last = buyers?.at(-1);
  return { name: last?.name ?? name, addressLines: last?.addressLines ?? [] };
}

/** After a new name of the tenant: a buyer that had its old name gets the new one. */
export function renamedBuyer(before: TenantState, name: string): PartyText {
  const buyer = currentBuyer(before);
  return buyer.name === before.name ? { ...buyer, name } : buyer;
}

/** The history with a buyer from `inVersion` on; what was known before stays as it was. */
export function withBuyer(before: TenantState, buyer: PartyText, inVersion: number): Buyers | undefined {
  const now = currentBuyer(before);
  if (buyer.name === now.name && isSameAddress(buyer, now)) return before.buyers;
  const history = before.buyers ?? [{ name: before.name, addressLines: [], inVersion: before.createdInVersion }];
  return [...history, { name: buyer.name, addressLines: [...buyer.addressLines], inVersion }];
}

const isSameAddress = (a: PartyText, b: PartyText): boolean =>
  JSON.stringify(a.addressLines) === JSON.stringify(b.addressLines);
