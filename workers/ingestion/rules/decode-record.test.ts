import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { partitionOf } from "#kernel/partition.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { type KeyedItem, receivedColumns } from "#schema/columns/received.js";
import { encodeItem, type ReceivedItem, receivedText } from "#schema/events/usage-received.v2.js";
import { decodeRecord } from "./decode-record.js";
import { eventDigest, fingerprintDigest, fingerprintOfUuid, uuidOfDigest } from "./fingerprint.js";

const PARTITIONS = 8;
const OWN = partitionOf("acme", PARTITIONS);
const ELSEWHERE = ["globex", "initech", "umbrella", "hooli"].find((id) => partitionOf(id, PARTITIONS) !== OWN) ?? "";

const item = (changes: Partial<ReceivedItem> = {}): ReceivedItem => ({
  ...{ tenantId: "acme", source: "s", id: "e", type: "t", time: 5, receivedAt: 6, data: '{"n":1}' },
  ...changes,
});
const decode = (text: string) => decodeRecord(Buffer.from(text), OWN, PARTITIONS);
const decodeItems = (...items: readonly ReceivedItem[]) => decode(receivedText(items.map(encodeItem), 17));
const errorOf = (decoded: ReturnType<typeof decode>) => (decoded.kind === "poison" ? decoded.error : decoded.kind);
const LAST_INSTANT = 8.64e15;

test("items are read with their keys, fingerprints and parsed data", () => {
  const other = item({ id: "f", data: "{}", time: -LAST_INSTANT, receivedAt: LAST_INSTANT });
  expect(decodeItems(item(), other)).toEqual({
    kind: "items",
    tenancyVersion: 17,
    items: [
      {
        ...item(),
        ...{
          key: eventDigest("acme", "s", "e"),
          fingerprint: fingerprintDigest("acme", "t", '{"n":1}'),
          value: { n: 1 },
        },
      },
      { ...other, key: eventDigest("acme", "s", "f"), fingerprint: fingerprintDigest("acme", "t", "{}"), value: {} },
    ],
  });
});

test("a tenant's records are in its own partition, those of the tenants after it too", () => {
  const wrong = `tenant ${ELSEWHERE} belongs to partition ${partitionOf(ELSEWHERE, PARTITIONS)}, not ${OWN}`;
  expect(errorOf(decodeItems(item(), item(), item({ tenantId: ELSEWHERE })))).toBe(wrong);
  const control = { kind: "close", tenantId: ELSEWHERE, periodStart: 0, actor: "a" };
  expect(errorOf(decode(JSON.stringify(control)))).toBe(wrong);
});

test.each<[string, Partial<ReceivedItem>, RegExp]>([
  ["a NUL", { id: "a\0" }, /^NUL and lone surrogates can't be stored$/],
  ["half a character in a name", { source: "\ud83d" }, /^NUL and lone surrogates/],
  ["a NUL in its data", { data: '"\0"' }, /^NUL and lone surrogates/],
  ["a time that is no instant", { time: LAST_INSTANT + 1 }, /^8640000000000001 is not an instant$/],
  ["a time before all instants", { time: -LAST_INSTANT - 1 }, /^-8640000000000001 is not an instant$/],
  ["an arrival that is no instant", { receivedAt: LAST_INSTANT + 1 }, /^8640000000000001 is not an instant$/],
  ["data that is no JSON", { data: "{" }, /JSON/],
])("items with %s are poison", (_, changes, error) => {
  expect(errorOf(decodeItems(item(), item(changes)))).toMatch(error);
});

test("an escape alone makes no text unstorable", () => {
  expect(decodeItems(item({ id: "a\u0001", data: '{"a":"\\u0041"}' })).kind).toBe("items");
});

const named = { tenantId: "acme", source: "s", id: "e", reason: "r", actor: "a" };
const fingerprint = fingerprintOfUuid(uuidOfDigest(fingerprintDigest("acme", "t", "{}")));
const grant = {
  ...{ tenantId: "acme", grantId: "g", amount: "12.50", currency: "EUR", expiresAt: null, priority: 0 },
  ...{ at: 5, reason: "r", actor: "a", tenancyVersion: 3 },
};
test.each([
  { kind: "tick", at: LAST_INSTANT },
  { kind: "close", tenantId: "acme", periodStart: -LAST_INSTANT, actor: "a" },
  { kind: "void", ...named },
  { kind: "resolve", accept: true, ...named, fingerprint },
  { kind: "resolve", accept: false, ...named },
  { kind: "backfill", meterKey: "m", tenancyVersion: 3 },
  { kind: "creditGrant", ...grant },
  {
    kind: "creditGrant",
    ...grant,
    amount: "999999999999999999.99",
    expiresAt: Date.UTC(9999, 11, 31),
    priority: -2_147_483_648,
  },
  { kind: "creditVoid", tenantId: "acme", grantId: "g", at: 5, reason: "r", actor: "a", tenancyVersion: 3 },
])("the control record %j is read as it is", (control) => {
  expect(decode(JSON.stringify(control))).toEqual({ kind: "control", control });
});

test.each([
  [{ kind: "tick", at: LAST_INSTANT + 1 }, /is not an instant$/],
  [{ kind: "close", tenantId: "acme", periodStart: LAST_INSTANT + 1, actor: "a" }, /is not an instant$/],
  [{ kind: "void", ...named, reason: "r\0" }, /^NUL and lone surrogates/],
  [{ kind: "backfill", meterKey: "m\ud83d", tenancyVersion: 3 }, /^NUL and lone surrogates/],
  [{ kind: "creditGrant", ...grant, amount: "0" }, /cannot be granted$/],
  [{ kind: "creditGrant", ...grant, amount: "-1" }, /cannot be granted$/],
  [{ kind: "creditGrant", ...grant, amount: "1.005" }, /cannot be granted$/],
  [{ kind: "creditGrant", ...grant, currency: "JPY" }, /cannot be granted$/],
  [{ kind: "creditGrant", ...grant, expiresAt: Date.UTC(10_000, 0, 1) }, /^\d+ is not a time/],
  [{ kind: "creditGrant", ...grant, reason: "r\0" }, /^NUL and lone surrogates/],
  [
    { kind: "resolve", accept: true, ...named, fingerprint: `${fingerprint.slice(0, -1)}=` },
    /fingerprint has 16 bytes/,
  ],
])("the control record %j is poison", (control, error) => {
  expect(errorOf(decode(JSON.stringify(control)))).toMatch(error);
});

test("what nothing can read is poison with its reason, and what newer code wrote is not", () => {
  expect(errorOf(decode("{"))).toMatch(/JSON/);
  expect(errorOf(decode("null"))).toMatch(/./);
  expect(() => decode('{"kind":"merge"}')).toThrow(UpgradeRequired);
});

const VECTORS = new URL("../../../schema/events/examples/event-keys.json", import.meta.url);
const vectors: (ReceivedItem & { readonly key: string; readonly fingerprint: string })[] = JSON.parse(
  readFileSync(VECTORS, "utf8"),
);
const keyedItem = (one: ReceivedItem): KeyedItem => ({
  ...one,
  key: eventDigest(one.tenantId, one.source, one.id),
  fingerprint: fingerprintDigest(one.tenantId, one.type, one.data),
});

/** The vectors are from the code before columns: a resend through any edge is found under its key, whoever recorded the event. */
test.each([
  [
    "version 1",
    (one: ReceivedItem) =>
      Buffer.from(JSON.stringify({ kind: "items", items: [{ ...one, fingerprint: "A".repeat(22) }] })),
  ],
  ["version 2", (one: ReceivedItem) => Buffer.from(receivedText([encodeItem(one)], 17))],
  ["columns", (one: ReceivedItem) => receivedColumns([keyedItem(one)], 17)],
])("an event in %s has the key and fingerprint that it always had", (_, encode) => {
  expect(vectors.length).toBeGreaterThan(50);
  for (const { key, fingerprint, ...one } of vectors) {
    const decoded = decodeRecord(encode(one), 0, 1);
    if (decoded.kind !== "items") throw new Error(errorOf(decoded));
    const digests = decoded.items.map((read) => [uuidOfDigest(read.key), uuidOfDigest(read.fingerprint)]);
    expect(digests).toEqual([[key, fingerprint]]);
  }
});

test("items in columns are read with the keys of their record, their data as text", () => {
  const items = [item(), item({ id: "f", imported: true })].map(keyedItem);
  const record = receivedColumns(items, 17);
  expect(decodeRecord(record, OWN, PARTITIONS)).toEqual({ kind: "items", items, tenancyVersion: 17 });
  expect(errorOf(decodeRecord(record, (OWN + 1) % PARTITIONS, PARTITIONS))).toMatch(/belongs to partition/);
});

test.each<[string, Partial<KeyedItem>, RegExp]>([
  ["a key that is not its own", { key: "k".repeat(16) }, /key that is not its own/],
  ["a fingerprint that is not its own", { fingerprint: "f".repeat(16) }, /fingerprint that is not its own/],
  ["data that is no JSON", { data: "{" }, /JSON/],
])("an edge that writes items with %s is found with its first records", (_, changes, error) => {
  const wrong = Array.from({ length: 20 }, (__, n) => ({ ...keyedItem(item({ id: `e${n}` })), ...changes }));
  expect(errorOf(decodeRecord(receivedColumns(wrong, 17), OWN, PARTITIONS))).toMatch(error);
  // Of one wrong item among many, each record finds it by chance: soon.
  const oneWrong = (seed: number) =>
    receivedColumns(
      wrong.map((one, n) => (n === 3 ? one : keyedItem(item({ id: `e${seed}-${n}` })))),
      17,
    );
  const poison = Array.from({ length: 300 }, (__, seed) => decodeRecord(oneWrong(seed), OWN, PARTITIONS)).filter(
    ({ kind }) => kind === "poison",
  );
  expect(poison.length).toBeGreaterThan(0);
  expect(poison.length).toBeLessThan(100);
});

test("columns that are broken are poison, and those of newer code are not", () => {
  const record = receivedColumns([keyedItem(item())], 17);
  expect(errorOf(decode("\u0002"))).toMatch(/columns/);
  expect(errorOf(decodeRecord(record.subarray(0, -1), OWN, PARTITIONS))).toMatch(/checksum/);
  const newer = Buffer.from(record);
  newer[1] = 2;
  expect(() => decodeRecord(newer, OWN, PARTITIONS)).toThrow(UpgradeRequired);
});
