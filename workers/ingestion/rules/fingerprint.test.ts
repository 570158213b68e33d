import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../../tests/support/effort.js";
import {
  digestOfUuid,
  dimensionsUuid,
  eventDigest,
  eventKeyOf,
  fingerprintDigest,
  fingerprintOfUuid,
  fingerprintUuid,
  recordUuid,
  uuidOfDigest,
} from "./fingerprint.js";

const text = fc.string({ unit: "binary", maxLength: 12 });
const json = fc.jsonValue().map((value) => JSON.stringify(value));

test("different tenants, types or data have different fingerprints", () => {
  fc.assert(
    fc.property(fc.tuple(text, text, json), fc.tuple(text, text, json), (one, other) => {
      const same = one.every((part, index) => part === other[index]);
      expect(fingerprintDigest(...one) === fingerprintDigest(...other)).toBe(same);
    }),
    { numRuns: runs(200) },
  );
});

test("moving a character from one part to the next makes another fingerprint and key", () => {
  expect(fingerprintDigest("ab", "c", "{}")).not.toBe(fingerprintDigest("a", "bc", "{}"));
  expect(eventKeyOf("ab", "c", "d")).not.toBe(eventKeyOf("a", "bc", "d"));
  expect(eventKeyOf("a", "bc", "d")).not.toBe(eventKeyOf("a", "b", "cd"));
});

test("a fingerprint is the first 16 bytes of SHA-256, and the same in a control record and the database", () => {
  const digest = createHash("sha256").update('["acme","api.request"]{"n":1}').digest().subarray(0, 16);
  const asBytes = fingerprintDigest("acme", "api.request", '{"n":1}');
  expect(asBytes).toBe(digest.toString("latin1"));
  const fingerprint = uuidOfDigest(asBytes);
  expect(digestOfUuid(fingerprint)).toBe(asBytes);
  expect(fingerprint.replaceAll("-", "")).toBe(digest.toString("hex"));
  expect(fingerprintOfUuid(fingerprint)).toBe(digest.toString("base64url"));
  expect(fingerprintUuid(fingerprintOfUuid(fingerprint))).toBe(fingerprint);
});

test("keys, combinations and records are hashed alike, and a fingerprint has 16 bytes", () => {
  const uuid = (content: string) =>
    createHash("sha256")
      .update(content)
      .digest("hex")
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
  expect(eventKeyOf("a", "b", "c")).toBe(uuid('["a","b","c"]'));
  expect(uuidOfDigest(eventDigest("a", "b", "c"))).toBe(eventKeyOf("a", "b", "c"));
  expect(dimensionsUuid(["eu", ""])).toBe(uuid('["eu",""]'));
  expect(recordUuid(Buffer.from("record"))).toBe(uuid("record"));
  for (const bytes of [15, 17])
    expect(() => fingerprintUuid(Buffer.alloc(bytes).toString("base64url"))).toThrow(
      new RangeError(`a fingerprint has 16 bytes, not ${bytes}`),
    );
});
