import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { SavedPart } from "../counters.js";
import { openTenant, type TenantState } from "../tenant/tenant.js";

/** A tenant's state between an orderly stop and the next start: its head, then its reservations in parts. */

const RESERVATIONS_PER_PART = 2_000;

/** Names or keys, each before its packed value. */
const Flat = Type.Array(Type.String());
const flats = TypeCompiler.Compile(Flat);

export function* partsOf(tenantId: string, state: TenantState): Iterable<SavedPart> {
  let part = 0;
  const next = (content: Static<typeof Flat>): SavedPart => {
    const saved = { tenantId, part, state: JSON.stringify(content) };
    part += 1;
    return saved;
  };
  yield next([...state.head()]);
  let some: string[] = [];
  for (const one of state.reservations()) {
    some.push(...one);
    if (some.length < 2 * RESERVATIONS_PER_PART) continue;
    yield next(some);
    some = [];
  }
  if (some.length > 0) yield next(some);
}

/** The tenant in the state that was saved, part by part; between two of them the caller may pause. Throws on another format. */
export function* opening([head, ...others]: readonly SavedPart[]): Generator<undefined, TenantState> {
  const state = openTenant(head === undefined ? [] : pairsOf(head), [], false);
  for (const part of others) {
    yield;
    state.addReservations(pairsOf(part));
  }
  return state;
}

function pairsOf({ state }: SavedPart): [string, string][] {
  const flat = flats.Decode(JSON.parse(state));
  const pairs: [string, string][] = [];
  for (let index = 1; index < flat.length; index += 2) pairs.push([flat[index - 1] ?? "", flat[index] ?? ""]);
  return pairs;
}
