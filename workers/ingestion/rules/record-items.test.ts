import fc from "fast-check";
import { expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { hourOf } from "#kernel/period.js";
import { CURRENT_INVOICE_VERSION } from "#schema/vocabulary.js";
import { runs } from "../../../tests/support/effort.js";
import type { DecodedItem } from "./decode-record.js";
import { type BatchElement, eventEntry, type KnownKey, type QuarantineCause, recordBatch } from "./record-items.js";

/** Few keys and payloads, so that duplicates and conflicts are common; payload 3 is one that a meter can't read. */
const item = fc.record({ id: fc.nat(4), payload: fc.nat(3), tenant: fc.constantFrom("a", "b"), hour: fc.nat(1) }).map(
  ({ id, payload, tenant, hour }): DecodedItem => ({
    tenantId: tenant,
    source: "s",
    id: String(id),
    type: "t",
    time: 0,
    receivedAt: hour * HOUR_MS + 5,
    data: JSON.stringify(payload),
    fingerprint: String(payload),
    key: `${tenant}/${id}`,
    value: payload,
  }),
);
const element = fc.oneof(
  { weight: 9, arbitrary: item.map((one): BatchElement => ({ kind: "item", item: one })) },
  { weight: 1, arbitrary: fc.nat().map((at): BatchElement => ({ kind: "control", control: { kind: "tick", at } })) },
);
const refuse = ({ value }: DecodedItem): QuarantineCause | undefined =>
  value === 3 ? { reason: "VALUE_INVALID", detail: "data.n: no number" } : undefined;

interface Sums {
  entries: string[];
  duplicates: Record<string, number>;
  quarantined: string[];
  accounts: Record<string, number[]>;
}

/** What must come out, said as simply as it can be: one element after the other. */
function naive(elements: readonly BatchElement[]): Sums {
  const first = new Map<string, string>();
  const kept = new Set<string>();
  const sums: Sums = { entries: [], duplicates: {}, quarantined: [], accounts: {} };
  for (const one of elements) {
    if (one.kind === "control") {
      sums.entries.push("tick");
      continue;
    }
    const { key, data, tenantId, receivedAt } = one.item;
    const account = sums.accounts[`${tenantId} ${hourOf(receivedAt)}`] ?? [0, 0, 0, 0];
    sums.accounts[`${tenantId} ${hourOf(receivedAt)}`] = account;
    const add = (index: number) => {
      account[index] = (account[index] ?? 0) + 1;
    };
    add(0);
    if (kept.has(key + data)) {
      sums.duplicates[key] = (sums.duplicates[key] ?? 0) + 1;
      add(2);
    } else if (first.has(key) || data === "3") {
      sums.quarantined.push(`${key} ${data} ${first.has(key) ? "CONFLICT" : "VALUE_INVALID"}`);
      add(3);
    } else {
      sums.entries.push(`${key} ${data}`);
      add(1);
    }
    if (!first.has(key)) first.set(key, data);
    kept.add(key + data);
  }
  return sums;
}

/** The same through `recordBatch`, cut into batches, with what is stored handed on from one to the next. */
function inBatches(elements: readonly BatchElement[], cuts: readonly number[]): Sums {
  const stored = new Map<string, KnownKey>();
  const sums: Sums = { entries: [], duplicates: {}, quarantined: [], accounts: {} };
  const edges = [0, ...cuts.map((cut) => cut % (elements.length + 1)).sort((a, b) => a - b), elements.length];
  for (const [index, from] of edges.slice(0, -1).entries()) {
    const stamp = { seq: sums.entries.length, recordedAt: 1, tenancyVersion: 1 };
    const outcome = recordBatch(elements.slice(from, edges[index + 1]), stored, stamp, refuse);
    for (const entry of outcome.entries) {
      expect(entry.seq).toBe(sums.entries.length + 1);
      sums.entries.push(entry.kind === "event" ? `${entry.tenantId}/${entry.id} ${entry.data}` : entry.kind);
    }
    for (const { key, fingerprint, seq } of outcome.newKeys) {
      expect(stored.has(key)).toBe(false);
      stored.set(key, { fingerprint, seq, quarantined: new Set() });
    }
    for (const [key, count] of outcome.duplicates) sums.duplicates[key] = (sums.duplicates[key] ?? 0) + count;
    for (const { item: one, reason, recordedSeq } of outcome.quarantined) {
      const holder = stored.get(one.key);
      sums.quarantined.push(`${one.key} ${one.data} ${reason}`);
      expect(recordedSeq).toBe(reason === "CONFLICT" ? holder?.seq : null);
      if (holder !== undefined && reason === "CONFLICT")
        stored.set(one.key, { ...holder, quarantined: new Set([...holder.quarantined, one.fingerprint]) });
    }
    for (const { tenantId, hour, accepted, recorded, duplicates, quarantined } of outcome.accounts) {
      const account = sums.accounts[`${tenantId} ${hour}`] ?? [0, 0, 0, 0];
      const change = [accepted, recorded, duplicates, quarantined];
      sums.accounts[`${tenantId} ${hour}`] = account.map((value, at) => value + (change[at] ?? 0));
    }
  }
  return sums;
}

test("the same log gives the same ledger, duplicates, quarantine and accounts, however it is cut into batches", () => {
  fc.assert(
    fc.property(fc.array(element, { maxLength: 60 }), fc.array(fc.nat(60), { maxLength: 6 }), (elements, cuts) => {
      expect(inBatches(elements, cuts)).toEqual(naive(elements));
    }),
    { numRuns: runs(200) },
  );
});

const stamp = { seq: 6, recordedAt: 9, tenancyVersion: 3 };
const one: DecodedItem = {
  ...{ tenantId: "a", source: "s", id: "1", type: "t", time: 4, receivedAt: HOUR_MS + 5, data: "{}" },
  ...{ key: "a/1", fingerprint: "f", value: {} },
};

test("entries hold all that their records say, with the position, time and tenancy version of their batch", () => {
  const common = { recordedAt: 9, tenancyVersion: 3 };
  const grant = {
    ...{ tenantId: "a", grantId: "g", amount: "12.50", currency: "EUR", expiresAt: 99, priority: 1, at: 8 },
    ...{ reason: "bought", actor: "me" },
  };
  const controls: readonly BatchElement[] = [
    { kind: "control", control: { kind: "tick", at: 5 } },
    { kind: "control", control: { kind: "close", tenantId: "a", periodStart: 7, actor: "me" } },
    { kind: "control", control: { kind: "backfill", meterKey: "m", tenancyVersion: 2 } },
    { kind: "control", control: { kind: "creditGrant", ...grant, tenancyVersion: 2 } },
  ];
  const { entries } = recordBatch([...controls, { kind: "item", item: one }], new Map(), stamp, () => undefined);
  const event = { tenantId: "a", source: "s", id: "1", type: "t", time: 4, receivedAt: HOUR_MS + 5, data: "{}" };
  expect(entries).toEqual([
    { kind: "tick", seq: 7, ...common, at: 5, invoiceVersion: CURRENT_INVOICE_VERSION },
    {
      kind: "close",
      seq: 8,
      ...common,
      tenantId: "a",
      periodStart: 7,
      actor: "me",
      invoiceVersion: CURRENT_INVOICE_VERSION,
    },
    { kind: "backfill", seq: 9, ...common, meterKey: "m" },
    { kind: "creditGrant", seq: 10, ...common, ...grant },
    { kind: "event", seq: 11, ...common, ...event },
  ]);
  expect(eventEntry(one, { seq: 11, ...common })).toEqual(entries[4]);
  expect(entries[4]).not.toHaveProperty("imported");
  expect(eventEntry({ ...one, imported: true }, { seq: 11, ...common })).toEqual({ ...entries[4], imported: true });
});

test("what is quarantined says why, and which recorded event is in its way", () => {
  const known = new Map([["a/1", { fingerprint: "g", seq: 2, quarantined: new Set<string>() }]]);
  const elements: readonly BatchElement[] = [
    { kind: "item", item: one },
    { kind: "item", item: { ...one, id: "2", key: "a/2" } },
  ];
  const cause = { reason: "DIMENSION_LIMIT", detail: "too many" } as const;
  const { quarantined, accounts, newKeys } = recordBatch(elements, known, stamp, () => cause);
  expect(quarantined).toMatchObject([
    {
      ...{ item: { id: "1" }, reason: "CONFLICT", recordedSeq: 2 },
      detail: "an event with this source and id but another type or data already exists",
    },
    { item: { id: "2" }, ...cause, recordedSeq: null },
  ]);
  expect(newKeys).toEqual([{ key: "a/2", fingerprint: "f", seq: null }]);
  expect(accounts).toEqual([{ tenantId: "a", hour: HOUR_MS, accepted: 2, recorded: 0, duplicates: 0, quarantined: 2 }]);
});
