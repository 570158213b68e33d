import { expect, test } from "vitest";
import { decodeAccountingId } from "./accounting-id.js";
import { type IdentityFacts, mismatchOf } from "./accounting-identity.js";
import { mayVoid, refuseAcceptance } from "./resolve-event.js";

const facts: IdentityFacts = {
  ...{ next: 9, seq: 10, items: 12, events: 8, duplicates: 3, quarantined: 1, poison: 0 },
  ...{ firstSeq: 1, lastSeq: 10, newEntries: 10, newEvents: 8 },
  sums: { accepted: 12, recorded: 8, duplicates: 3, quarantined: 1, duplicateRows: 3, quarantinedRows: 1 },
};
const verified = { seq: 10, events: 8 };

test("numbers that agree have no mismatch, from the first entry or after what was verified", () => {
  expect(mismatchOf(facts, undefined)).toEqual({ mismatch: undefined, amount: 0, verified });
  const since = { ...facts, firstSeq: 7, newEntries: 4, newEvents: 3 };
  expect(mismatchOf(since, { seq: 6, events: 5 })).toEqual({ mismatch: undefined, amount: 0, verified });
  const nothingNew = { ...facts, firstSeq: null, lastSeq: null, newEntries: 0, newEvents: 0 };
  expect(mismatchOf(nothingNew, verified).mismatch).toBeUndefined();
  const { sums: _, ...incremental } = facts;
  expect(mismatchOf(incremental, undefined).mismatch).toBeUndefined();
});

test("what was archived is covered by the cursor's total", () => {
  const archived = { ...facts, firstSeq: 5, newEntries: 6, newEvents: 2 };
  expect(mismatchOf(archived, undefined).mismatch).toBeUndefined();
  const all = { ...facts, firstSeq: null, lastSeq: null, newEntries: 0, newEvents: 0 };
  expect(mismatchOf(all, undefined).mismatch).toBeUndefined();
  const none = { ...all, seq: 0, items: 4, events: 0 };
  const { sums: _, ...empty } = none;
  expect(mismatchOf(empty, undefined)).toEqual({ mismatch: undefined, amount: 0, verified: { seq: 0, events: 0 } });
});

test.each<[Partial<IdentityFacts>, string, number]>([
  [{ items: 15 }, "items and their outcomes: 15 and 12; items and the tenants' accepted items: 15 and 12", 3],
  [{ newEntries: 8 }, "assigned positions and entries of the ledger: 10 and 8", 2],
  [{ lastSeq: 11 }, "the cursor's position and the ledger's last: 10 and 11", 1],
  [{ newEvents: 9 }, "events counted and events in the ledger: 8 and 9", 1],
])("%j differs", (changes, mismatch, amount) => {
  expect(mismatchOf({ ...facts, ...changes }, undefined)).toMatchObject({ mismatch, amount });
});

test.each<[keyof NonNullable<IdentityFacts["sums"]>, string]>([
  ["accepted", "items and the tenants' accepted items: 12 and 20"],
  ["recorded", "events and the tenants' recorded events: 8 and 20"],
  ["duplicates", "duplicates and the tenants' duplicates: 3 and 20"],
  ["quarantined", "quarantined and the tenants' quarantined items: 1 and 20"],
  ["duplicateRows", "duplicates and the keys' duplicates: 3 and 20"],
  ["quarantinedRows", "quarantined and the quarantine's rows: 1 and 20"],
])("another sum of %s is a mismatch", (name, mismatch) => {
  const sums = { ...(facts.sums ?? {}), [name]: 20 } as NonNullable<IdentityFacts["sums"]>;
  expect(mismatchOf({ ...facts, sums }, undefined).mismatch).toBe(mismatch);
});

test("the id of an accounting is read, and any other text is none", () => {
  const id = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const asked = { tenantId: "acme", from: null, to: 3_600_000, mark: 0 };
  expect(decodeAccountingId(id(asked))).toEqual(asked);
  expect(decodeAccountingId(id({ ...asked, from: 5, to: null }))).toEqual({ ...asked, from: 5, to: null });
  for (const wrong of [{ mark: -1 }, { mark: null }, { tenantId: "" }, { from: {} }, { to: "x" }, { to: undefined }])
    expect(decodeAccountingId(id({ ...asked, ...wrong }))).toBeUndefined();
  // Nothing is rounded or converted.
  for (const wrong of [{ mark: 0.5 }, { mark: "5" }, { from: 1.5 }, { to: "1" }, { tenantId: 5 }, { mark: 2 ** 53 }])
    expect(decodeAccountingId(id({ ...asked, ...wrong })), JSON.stringify(wrong)).toBeUndefined();
  for (const wrong of ["", "x", 5, undefined]) expect(decodeAccountingId(wrong)).toBeUndefined();
});

test("a recorded event can be voided once, and a quarantined one takes its key only when no counted event has it", () => {
  expect(mayVoid({ seq: 5, voided: false })).toBe(true);
  for (const state of [
    { seq: 5, voided: true },
    { seq: null, voided: false },
    { seq: undefined, voided: false },
  ]) {
    expect(mayVoid(state)).toBe(false);
    expect(refuseAcceptance(state, undefined)).toBeUndefined();
    expect(refuseAcceptance(state, "data.n: no number")).toBe("a meter cannot read it: data.n: no number");
  }
  expect(refuseAcceptance({ seq: 5, voided: false }, undefined)).toBe(
    "the recorded event with the same source and id counts; void it first",
  );
});
