import { expect, test } from "vitest";
import type { CounterCharge, Operation } from "./counters.js";
import { UNIT } from "./exact-model.testing.js";
import type { Fields } from "./tenant/storing.js";
import { createTenant, openTenant, type TenantState } from "./tenant/tenant.js";

const START = Date.UTC(2026, 10, 30, 23);
const MOST = { keys: 10, combinations: 10 };
const TTL_MS = 60_000;

/** A limit of 10 for each meter, in the hour and in the minute, and of requests in the hour. */
const chargesOf = (asked: Readonly<Record<string, bigint>>): CounterCharge[] => [
  ...Object.entries(asked).flatMap(([meter, amount]) => [
    charge(`${meter}|HOUR`, meter, { kind: "sliding", windowMs: 3_600_000 }, amount),
    charge(`${meter}|MINUTE`, meter, { kind: "admission", windowMs: 60_000 }, amount),
  ]),
  charge("|HOUR", null, { kind: "sliding", windowMs: 3_600_000 }, 1n),
];
const charge = (
  counter: string,
  meter: string | null,
  window: CounterCharge["window"],
  amount: bigint,
): CounterCharge => ({
  ...{ counter, meter, window, amount: amount * UNIT, hardLimit: 10n * UNIT, laterLimits: [], bounded: false },
});
const all = chargesOf({ input: 0n, output: 0n, calls: 0n });

function open(): TenantState {
  const counters = all.map(({ counter, window }) => ({ counter, window, blockedUntil: 0, usage: [] }));
  return createTenant({ tenantId: "t", epoch: "e", seq: 0, hasOwnClock: false, counters, lost: [] }, START);
}

const consuming = (key: string, asked: Readonly<Record<string, bigint>>): Operation => ({
  ...{ kind: "consume", key, ttlMs: TTL_MS, charges: chargesOf(asked) },
  content:
    Object.entries(asked)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([meter, amount]) => `${meter} ${amount}`)
      .join(", ") || "requests",
});

const wordOf = (state: TenantState, operation: Operation, at = START): string => {
  const outcome = state.execute(operation, at, MOST);
  return outcome.kind === "decided" ? (outcome.allowed ? "allowed" : "denied") : outcome.kind;
};

/** Used and reserved in the hour, of each meter, in the minute, and requests. */
function stands(state: TenantState, at = START): Readonly<Record<string, string>> {
  const look = state.execute({ kind: "check", key: "", content: "", ttlMs: 0, charges: all }, at, MOST);
  if (look.kind !== "decided") throw new Error(look.kind);
  const shown = all.map(({ counter }, index) => {
    const { used = 0n, reserved = 0n } = look.readings[index] ?? {};
    return [counter, `${used / UNIT}+${reserved / UNIT}`] as const;
  });
  return Object.fromEntries(shown.filter(([, text]) => text !== "0+0"));
}

function settle(state: TenantState, key: string, amounts: Readonly<Record<string, bigint>>, at = START): void {
  const seq = state.seq();
  const outcome = state.settle(
    {
      ...{ tenantId: "t", previousSeq: seq, seq: seq + 1, now: undefined, totals: [] },
      counted: all.map(({ counter }) => counter),
      events: [
        {
          ...{ key, meters: Object.keys(amounts) },
          charges: Object.entries(amounts).flatMap(([meter, amount]) =>
            ["HOUR", "MINUTE"].map((window) => ({ counter: `${meter}|${window}`, amount: amount * UNIT, at })),
          ),
        },
      ],
    },
    at,
  );
  expect(outcome).toBe("applied");
}

test("a request for several meters is admitted as a whole or not at all", () => {
  const state = open();
  expect(wordOf(state, consuming("a", { input: 4n, output: 8n }))).toBe("allowed");
  const before = stands(state);
  expect(before).toEqual({
    ...{ "input|HOUR": "0+4", "input|MINUTE": "0+4", "output|HOUR": "0+8", "output|MINUTE": "0+8", "|HOUR": "1+0" },
  });
  expect(wordOf(state, consuming("b", { input: 6n, output: 3n }))).toBe("denied");
  expect(stands(state)).toEqual(before);
  expect(wordOf(state, consuming("a", { input: 4n, output: 8n }))).toBe("allowed");
  expect(wordOf(state, consuming("a", { input: 4n, output: 7n }))).toBe("conflict");
  expect(wordOf(state, consuming("a", { input: 4n }))).toBe("conflict");
  expect(stands(state)).toEqual(before);
  expect(wordOf(state, consuming("b", { input: 6n, output: 2n }))).toBe("allowed");
});

test("its event settles the meters that it counts for, another event of the id the others", () => {
  const state = open();
  wordOf(state, consuming("a", { input: 4n, output: 8n, calls: 1n }));
  settle(state, "a", { input: 3n, output: 9n });
  expect(stands(state)).toEqual({
    ...{ "input|HOUR": "3+0", "input|MINUTE": "3+0", "output|HOUR": "9+0", "output|MINUTE": "9+0" },
    ...{ "calls|HOUR": "0+1", "calls|MINUTE": "0+1", "|HOUR": "1+0" },
  });
  settle(state, "a", { output: 1n });
  expect(stands(state)).toMatchObject({ "output|HOUR": "10+0", "calls|HOUR": "0+1" });
  settle(state, "a", { calls: 2n });
  expect(stands(state)).toMatchObject({ "calls|HOUR": "2+0", "calls|MINUTE": "2+0" });
  expect(state.execute({ kind: "release", key: "a" }, START, MOST)).toEqual({ kind: "released", released: false });
  expect(wordOf(state, consuming("a", { input: 4n, output: 8n, calls: 1n }))).toBe("allowed");
  expect(stands(state)).toMatchObject({ "input|HOUR": "3+0", "|HOUR": "1+0" });
});

test("a release gives back what is open; of a key that is partly settled, not its request", () => {
  const state = open();
  const release = (key: string) => state.execute({ kind: "release", key }, START, MOST);
  wordOf(state, consuming("a", { input: 4n, output: 8n }));
  expect(release("a")).toEqual({ kind: "released", released: true });
  expect(stands(state)).toEqual({});
  for (const first of ["input", "output"]) {
    const key = `after ${first}`;
    wordOf(state, consuming(key, { input: 4n, output: 2n }));
    settle(state, key, { [first]: 1n });
    expect(release(key)).toEqual({ kind: "released", released: true });
    expect(release(key)).toEqual({ kind: "released", released: false });
    const other = first === "input" ? "output" : "input";
    expect(stands(state)[`${other}|HOUR`]).toBe(first === "input" ? undefined : "1+0");
    // The key is not charged again.
    const now = stands(state);
    expect(wordOf(state, consuming(key, { input: 4n, output: 2n }))).toBe("allowed");
    expect(stands(state)).toEqual(now);
  }
  expect(stands(state)["|HOUR"]).toBe("2+0");
});

test("all of it expires at once, and takes a place for each meter", () => {
  const state = open();
  for (const key of ["a", "b", "c"])
    expect(wordOf(state, consuming(key, { input: 1n, output: 1n, calls: 1n }))).toBe("allowed");
  expect(wordOf(state, consuming("d", { input: 1n, output: 1n }))).toBe("full");
  expect(wordOf(state, consuming("d", { input: 1n }))).toBe("allowed");
  expect(wordOf(state, consuming("e", {}))).toBe("full");
  expect(state.advance(START + TTL_MS - 1, 100)).toBe(true);
  expect(wordOf(state, consuming("d", {}), START + TTL_MS - 1)).toBe("conflict");
  expect(state.advance(START + TTL_MS, 100)).toBe(true);
  expect(stands(state, START + TTL_MS)).toEqual({ "|HOUR": "4+0" });
  expect(wordOf(state, consuming("a", { output: 1n }), START + TTL_MS)).toBe("allowed");
});

interface Stored {
  readonly head: Map<string, string>;
  readonly reservations: Map<string, string>;
}

function put({ head, reservations }: Stored, changes: { readonly head: Fields; readonly reservations: Fields }): void {
  for (const [to, { set, removed }] of [[head, changes.head] as const, [reservations, changes.reservations] as const]) {
    for (let index = 1; index < set.length; index += 2) to.set(set[index - 1] ?? "", set[index] ?? "");
    for (const name of removed) to.delete(name);
  }
}

function storedOf(state: TenantState): Stored {
  const stored = { head: new Map<string, string>(), reservations: new Map<string, string>() };
  put(stored, state.everything());
  return stored;
}

test("a process of before reads it as a reservation of each meter", () => {
  const state = open();
  wordOf(state, consuming("a", { output: 8n, input: 4n }));
  const until = START + TTL_MS;
  expect([...storedOf(state).reservations]).toEqual([
    ["a", `[${until},${START},1,1,"${8n * UNIT}","input 4, output 8","output"]`],
    ["a\0input", `[${until},${START},1,1,"${4n * UNIT}","input 4","input"]`],
  ]);
});

test("what a process of before settles, releases or leaves is counted until it ends, and never less", () => {
  const state = open();
  wordOf(state, consuming("settled", { input: 1n, output: 2n }));
  wordOf(state, consuming("released", { input: 3n, output: 4n }));
  const stored = storedOf(state);
  // It knows one reservation under each key.
  const first = stored.reservations.get("settled") ?? "";
  stored.reservations.set("settled", first.replace(",1,1,", ",1,0,"));
  stored.reservations.delete("released");
  const next = openTenant(stored.head, stored.reservations);
  expect(stands(next)["output|HOUR"]).toBe("0+6");
  expect(stands(next)["input|HOUR"]).toBeUndefined();
  settle(next, "settled", { output: 2n });
  expect(stands(next)["output|HOUR"]).toBe("2+4");
  expect(wordOf(next, consuming("released", { input: 1n, output: 4n }))).toBe("allowed");
  expect(stands(next)["output|HOUR"]).toBe("2+4");
  expect(next.execute({ kind: "release", key: "released" }, START, MOST)).toEqual({ kind: "released", released: true });
  expect(stands(next)["output|HOUR"]).toBe("2+0");
  expect(next.advance(START + TTL_MS, 100)).toBe(true);
  expect(stands(next, START + TTL_MS)["output|HOUR"]).toBe("2+0");
});
