import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRfc3339 } from "./rfc3339.js";

test.each([
  ["2026-11-01T00:00:00Z", Date.UTC(2026, 10, 1)],
  ["2026-11-01t23:59:59.9999999z", Date.UTC(2026, 10, 1, 23, 59, 59, 999)],
  ["2026-11-01T01:30:00+01:30", Date.UTC(2026, 10, 1)],
  ["2016-12-31T23:59:60Z", Date.UTC(2016, 11, 31, 23, 59, 59)],
  ["1990-12-31T15:59:60-08:00", Date.UTC(1990, 11, 31, 23, 59, 59)],
  ["2028-02-29T12:00:00Z", Date.UTC(2028, 1, 29, 12)],
  ["2026-11-01T20:30:00+20:30", Date.UTC(2026, 10, 1)],
  ["1972-06-30T23:59:60.5Z", Date.UTC(1972, 5, 30, 23, 59, 59, 500)],
  [`2026-11-01T00:00:00.${"0".repeat(43)}Z`, Date.UTC(2026, 10, 1)],
])("%s is a time", (text, ms) => {
  expect(parseRfc3339(text)).toBe(ms);
});

test.each([
  "2026-11-01T24:00:00Z",
  "2026-11-01T24:00:00.000Z",
  "2026-11-01T12:60:00Z",
  "2026-11-01T12:00:61Z",
  "2016-12-31T23:58:60Z",
  "2016-12-31T23:59:60+01:00",
  "2026-12-31T23:59:60Z",
  "2026-11-01T00:00:00+24:00",
  "2026-11-01T00:00:00-00:60",
  "2026-04-31T00:00:00Z",
  "2026-02-29T00:00:00Z",
  "2026-13-01T00:00:00Z",
  "2026-00-10T00:00:00Z",
  "2026-01-00T00:00:00Z",
  "0000-06-01T00:00:00Z",
  "9999-12-31T23:59:59-01:00",
  "2026-11-01T00:00:00",
  "2026-11-01 00:00:00Z",
  "2026-11-01T00:00Z",
  `2026-11-01T00:00:00.${"0".repeat(44)}Z`,
  "2026-11-01T00:00:00Z (UTC)",
  "(UTC) 2026-11-01T00:00:00Z",
])("%s is none", (text) => {
  expect(parseRfc3339(text)).toBeUndefined();
});

test("the usual form in UTC is read as any other", () => {
  const digits = (length: number) => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`));
  const usual = fc
    .tuple(fc.date({ min: new Date(0), max: new Date("2105-01-01"), noInvalidDate: true }), fc.boolean())
    .map(([date, hasMs]) => date.toISOString().replace(hasMs ? "" : /\.\d+/, ""));
  const close = fc
    .tuple(digits(4), digits(2), digits(2), digits(2), digits(2), digits(2), digits(3), fc.boolean())
    .map(([y, mo, d, h, mi, s, ms, hasMs]) => `20${y.slice(2)}-${mo}-${d}T${h}:${mi}:${s}${hasMs ? `.${ms}` : ""}Z`);
  const broken = fc
    .tuple(usual, fc.nat(23), fc.constantFrom("x", "-", "0", "9", " ", "é"))
    .map(([text, at, by]) => text.slice(0, at) + by + text.slice(at + 1));
  fc.assert(
    fc.property(fc.oneof(usual, close, broken), (text) => {
      // With its zone in another form, a text is not of the usual form.
      const other = text.endsWith("Z") ? `${text.slice(0, -1)}+00:00` : text.replace(/$/, " ");
      expect(parseRfc3339(text)).toBe(parseRfc3339(other));
    }),
    { numRuns: 2_000 },
  );
});
