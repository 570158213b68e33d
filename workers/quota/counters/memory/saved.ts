import { type Static, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { SavedPart } from "../counters.js";
import { openTenant, type TenantState } from "../tenant/tenant.js";

/** A tenant's state between an orderly stop and the next start: its head, then its reservations in parts. */

const RESERVATIONS_PER_PART = 2_000;

const Pairs = Type.Array(Type.Tuple([Type.String(), Type.String()]));
const pairs = TypeCompiler.Compile(Pairs);

export function* partsOf(tenantId: string, state: TenantState): Iterable<SavedPart> {
  const { head, reservations } = state.everything();
  const fields = [...head].flatMap(([name, packed]) => (packed === null ? [] : [[name, packed] as const]));
  let part = 0;
  const next = (content: readonly (readonly [string, string])[]): SavedPart => {
    const saved = { tenantId, part, state: JSON.stringify(content) };
    part += 1;
    return saved;
  };
  yield next(fields);
  let some: (readonly [string, string])[] = [];
  for (const one of reservations) {
    some.push(one);
    if (some.length < RESERVATIONS_PER_PART) continue;
    yield next(some);
    some = [];
  }
  if (some.length > 0) yield next(some);
}

/** Throws on another format. */
export function tenantOf(parts: readonly SavedPart[]): TenantState {
  const [head = [], ...reservations] = parts.map(({ state }): Static<typeof Pairs> => pairs.Decode(JSON.parse(state)));
  const state = openTenant(new Map(head), reservations.flat());
  state.discardChanges();
  return state;
}
