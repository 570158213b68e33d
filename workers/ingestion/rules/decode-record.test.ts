import { expect, test } from "vitest";
import { partitionOf } from "#kernel/partition.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { encodeItem, type ReceivedItem, receivedText } from "#schema/events/usage-received.v2.js";
import { decodeRecord } from "./decode-record.js";
import { eventKeyOf, fingerprintOf, fingerprintOfUuid } from "./fingerprint.js";

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
        ...{ key: eventKeyOf("acme", "s", "e"), fingerprint: fingerprintOf("acme", "t", '{"n":1}'), value: { n: 1 } },
      },
      { ...other, key: eventKeyOf("acme", "s", "f"), fingerprint: fingerprintOf("acme", "t", "{}"), value: {} },
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
const fingerprint = fingerprintOfUuid(fingerprintOf("acme", "t", "{}"));
test.each([
  { kind: "tick", at: LAST_INSTANT },
  { kind: "close", tenantId: "acme", periodStart: -LAST_INSTANT, actor: "a" },
  { kind: "void", ...named },
  { kind: "resolve", accept: true, ...named, fingerprint },
  { kind: "resolve", accept: false, ...named },
  { kind: "backfill", meterKey: "m", tenancyVersion: 3 },
])("the control record %j is read as it is", (control) => {
  expect(decode(JSON.stringify(control))).toEqual({ kind: "control", control });
});

test.each([
  [{ kind: "tick", at: LAST_INSTANT + 1 }, /is not an instant$/],
  [{ kind: "close", tenantId: "acme", periodStart: LAST_INSTANT + 1, actor: "a" }, /is not an instant$/],
  [{ kind: "void", ...named, reason: "r\0" }, /^NUL and lone surrogates/],
  [{ kind: "backfill", meterKey: "m\ud83d", tenancyVersion: 3 }, /^NUL and lone surrogates/],
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
