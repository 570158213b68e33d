import type { CounterCharge } from "../counters.js";
import type { Involved, Request } from "./decide.js";
import { moneyFitter } from "./money.js";
import { earliestFit } from "./retry.js";
import type { State } from "./state.js";
import { add, type Counter, createCounter, prune, type SlidingCounter } from "./window.js";

/**
 * When a denied request fits if nothing else comes, also under limits that follow; null: never. A list: that depends on these
 * counters, which are not loaded.
 */
export function retryAtOf(
  state: State,
  { laterCharges = [], money }: Request,
  involved: readonly Involved[],
): number | null | readonly string[] {
  if (involved.some(({ isTooMany }) => isTooMany === true)) return null;
  const others = money === undefined ? [] : [moneyFitter(money, state)];
  const retryAt = earliestFit(involved, state, others);
  if (retryAt === null || laterCharges.every((charge) => beginsAt(charge) > retryAt)) return retryAt;
  const all = [...involved];
  const missing: string[] = [];
  for (const charge of laterCharges) {
    const counter = counterOf(state, charge);
    if (counter === undefined) missing.push(charge.counter);
    else all.push({ charge, counter });
  }
  if (missing.length > 0) return missing;
  return earliestFit(all, state, others);
}

const beginsAt = ({ laterLimits }: CounterCharge): number =>
  laterLimits.find(({ hardLimit }) => hardLimit !== null)?.at ?? Number.POSITIVE_INFINITY;

/** As the counter will be when its limit begins. */
function counterOf(state: State, charge: CounterCharge): Counter | undefined {
  const { counter: id, meter, window } = charge;
  const found = state.counters.get(id);
  if (window.kind === "admission" && meter !== null) {
    const held = emptyOf(charge);
    if (held.kind !== "period" && state.now + window.windowMs > beginsAt(charge)) holdReservations(state, held);
    return held;
  }
  if (found === undefined) return meter === null ? emptyOf(charge) : undefined;
  if (found.kind !== "period") prune(found, state.now);
  return found;
}

const emptyOf = ({ counter, window }: CounterCharge): Counter =>
  createCounter({ id: counter, window, blockedUntil: 0, sinceSerial: 0, isStored: false });

/** A short window that comes into force holds what was reserved in it before. */
export function holdReservations({ reservations, now }: State, counter: SlidingCounter): void {
  const counts = reservations.isIn(counter.series);
  for (const one of reservations.values())
    if (one.open && counts(one)) add(counter, one.admittedAt, 0n, one.amount, now);
}
