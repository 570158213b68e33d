import type { PartyText } from "#schema/party.js";
import type { TenancyStore } from "../store/store.js";

const ACTOR = "metrly";
/** How often the seller can change: its history is published as a whole. */
const MAX_SELLERS = 200;

/**
 * Notes the seller that the settings name, if it is another one than before: invoices name the one known when their period ended.
 * Null: none. Throws a RangeError after too many changes, which stops the start.
 */
export async function nameSeller(store: TenancyStore, party: PartyText | null): Promise<void> {
  await store.change(ACTOR, async (change) => {
    const before = await change.seller();
    if (JSON.stringify(partyOf(before?.history.at(-1)?.party ?? null)) === JSON.stringify(partyOf(party))) return;
    const history = before?.history ?? [];
    if (history.length >= MAX_SELLERS)
      throw new RangeError(`METRLY_SELLER_NAME and METRLY_SELLER_ADDRESS have changed ${MAX_SELLERS} times already`);
    const version = change.nextVersion();
    const after = {
      ...{ kind: "seller" as const, id: "seller" as const, version },
      history: [...history, { party: partyOf(party), inVersion: version }],
    };
    await change.save({ action: "seller.name", ...(before !== undefined && { before }), after });
  });
}

const partyOf = (party: PartyText | null) =>
  party === null ? null : { name: party.name, addressLines: [...party.addressLines] };
