import type { SellerState, TenantState } from "#schema/events/tenancy-changed.v1.js";

/** A name and address, as the document has it. */
export interface Party {
  readonly name: string;
  readonly addressLines: readonly string[];
}

/** Who sold, as tenancy knew it at a version. */
export function sellerOf(seller: SellerState | undefined, version: number): Party | null {
  let found: Party | null = null;
  for (const { inVersion, party } of seller?.history ?? []) if (inVersion <= version) found = party;
  return found === null ? null : { name: found.name, addressLines: found.addressLines };
}

/** Who bought: a tenant without a history of buyers never had another name. */
export function buyerOf({ name, buyers = [] }: TenantState, version: number): Party {
  let found: Party = buyers[0] ?? { name, addressLines: [] };
  for (const buyer of buyers) if (buyer.inVersion <= version) found = buyer;
  return { name: found.name, addressLines: found.addressLines };
}
