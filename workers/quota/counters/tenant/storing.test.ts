import fc from "fast-check";
import { expect, test } from "vitest";
import { HOUR_MS, MINUTE_MS } from "#kernel/duration.js";
import { runs } from "../../../../tests/support/effort.js";
import type { CounterCharge, CounterWindow, Operation } from "../counters.js";
import type { Fields } from "./storing.js";
import { createTenant, openTenant, type TenantState } from "./tenant.js";

const UNIT = 10n ** 12n;
const START = Date.UTC(2026, 10, 24, 6);
const MOST = { keys: 10_000, combinations: 100 };

const charge = (counter: string, window: CounterWindow): CounterCharge => ({
  ...{ counter, window, amount: UNIT, hardLimit: 10_000n * UNIT, laterLimits: [], bounded: false },
  meter: counter.startsWith("|") ? null : "calls",
});
const CHARGES = [
  charge("calls|MINUTE", { kind: "admission", windowMs: MINUTE_MS }),
  charge("calls|HOUR", { kind: "sliding", windowMs: HOUR_MS }),
  charge("|HOUR", { kind: "sliding", windowMs: HOUR_MS }),
  charge("calls|BILLING_PERIOD", { kind: "period", start: START, end: START + 1_000 * HOUR_MS }),
];
const ALL = CHARGES.map(({ counter }) => counter);
const request = (kind: "check" | "consume", key: string): Operation => ({
  ...{ kind, key, content: "calls 1", ttlMs: 90_000, charges: CHARGES },
});
const missing = (seq: number) => ({
  ...{ tenantId: "t", epoch: "e", seq, hasOwnClock: false, lost: [] },
  counters: CHARGES.map(({ counter, window }) => ({ counter, window, blockedUntil: 0, usage: [] })),
});

/** What a store holds: the head and the reservations. */
interface Stored {
  readonly head: Map<string, string>;
  readonly reservations: Map<string, string>;
}

function put(target: Map<string, string>, { set, removed }: Fields): void {
  for (const name of removed) target.delete(name);
  for (let index = 1; index < set.length; index += 2) target.set(set[index - 1] ?? "", set[index] ?? "");
}

const namesIn = ({ set, removed }: Fields): string[] => [...set.filter((_, index) => index % 2 === 0), ...removed];

/** What is stored under these names. */
const overlay = (names: readonly string[], held: Map<string, string>) =>
  names.map((name) => [name, held.get(name) ?? null] as const);

const step = fc.record({
  kind: fc.constantFrom(...Array<"consume">(12).fill("consume"), "release", "settle", "rebuild" as const),
  afterMs: fc.oneof({ weight: 30, arbitrary: fc.integer({ min: 0, max: 3_000 }) }, fc.integer({ min: 0, max: 60_000 })),
  of: fc.nat({ max: 40 }),
  end: fc.constantFrom("store", "store", "later", "take back" as const),
});

test("what is stored in parts, taken over or taken back is the same state", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
      const stored: Stored = { head: new Map(), reservations: new Map() };
      const open = () => openTenant(stored.head, stored.reservations);
      const state = createTenant(missing(0), START);
      const store = () => {
        const changes = state.changes();
        if (changes === undefined) return;
        put(stored.head, changes.head);
        put(stored.reservations, changes.reservations);
        state.stored();
        other.applyHead(overlay(namesIn(changes.head), stored.head));
        for (const [key, packed] of overlay(namesIn(changes.reservations), stored.reservations))
          other.applyReservation(key, packed);
      };
      put(stored.head, state.everything().head);
      state.stored();
      const other = open();
      let now = START;
      let seq = 0;
      for (const [n, { kind, afterMs, of, end }] of steps.entries()) {
        now += afterMs;
        while (!state.advance(now, 1_000));
        if (kind === "consume") state.execute(request("consume", `k${n}`), now, MOST);
        else if (kind === "release") state.execute({ kind, key: `k${n - of}` }, now, MOST);
        else {
          const charges = ALL.map((counter) => ({ counter, amount: UNIT, at: now - of * 90_000 }));
          const events = [{ key: `k${n - of}`, meters: ["calls"], charges: charges.slice(0, 2) }];
          const counted = kind === "rebuild" ? ALL.slice(0, of % 4) : ALL;
          const request = { tenantId: "t", previousSeq: seq, seq: seq + 1, now, counted, events, totals: [] };
          state.settle(request, now);
          seq += 1;
          state.load(missing(seq));
        }
        if (end === "store") store();
        if (end !== "take back") continue;
        const changes = state.changes();
        state.rollback();
        if (changes !== undefined) state.applyHead(overlay(namesIn(changes.head), stored.head));
        seq = state.seq();
        expect(view(state, now)).toEqual(view(open(), now));
      }
      store();
      for (const later of [0, 30_000, 20 * MINUTE_MS]) {
        const expected = view(state, now + later);
        expect(view(open(), now + later)).toEqual(expected);
        expect(view(other, now + later)).toEqual(expected);
      }
    }),
    { numRuns: runs(10) },
  );
});

/** What a check says of each counter, and every key. */
function view(state: TenantState, now: number) {
  while (!state.advance(now, 1_000));
  const outcome = state.execute(request("check", ""), now, MOST);
  return { outcome, keys: [...state.reservations()].sort(([a], [b]) => (a < b ? -1 : 1)), seq: state.seq() };
}

test("a state that has a scope is closed to processes that do not know scopes, for ever", () => {
  const scope = { key: "calls|s", by: ["user"], where: [], period: START, recorded: 0 };
  const identityOf = (state: { head(): readonly string[] }) => {
    const head = state.head();
    const identity: unknown[] = JSON.parse(head[head.indexOf("i") + 1] ?? "[]");
    return identity.length;
  };
  expect(identityOf(createTenant(missing(0), START))).toBe(2);
  const state = createTenant(missing(0), START);
  state.extend({ tenantId: "t", seq: 0, scopes: [scope], counters: [] });
  expect(identityOf(state)).toBe(3);
  const changes = state.changes();
  const set = changes?.head.set ?? [];
  expect(JSON.parse(set[set.indexOf("i") + 1] ?? "")).toHaveLength(3);
  expect(set).toContain("k:calls|s");
});
