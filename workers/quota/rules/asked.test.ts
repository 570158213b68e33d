import fc from "fast-check";
import { expect, test } from "vitest";
import { contentOf, partKey, severalIn } from "./asked.js";

const meter = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/);
const asked = fc
  .uniqueArray(fc.record({ meter, amount: fc.bigInt(0n, 10n ** 30n - 1n) }), {
    selector: (one) => one.meter,
    maxLength: 20,
  })
  .map((all) => all.sort((a, b) => (a.meter < b.meter ? -1 : 1)));

test("the meters of a request for several are read from its text, of one for one or none nothing", () => {
  fc.assert(
    fc.property(asked, (all) => {
      expect(severalIn(contentOf(all))).toEqual(all.length < 2 ? [] : all.map((one) => one.meter));
    }),
  );
});

test("requests have the same text only if they ask for the same", () => {
  fc.assert(
    fc.property(asked, asked, (one, other) => {
      const isSame =
        one.length === other.length &&
        one.every(({ meter: of, amount }, n) => of === other[n]?.meter && amount === other[n]?.amount);
      expect(contentOf(one) === contentOf(other)).toBe(isSame);
    }),
  );
  expect(contentOf([{ meter: "a", amount: 10n ** 12n }])).toBe("a 1");
  expect(contentOf([])).toBe("requests");
});

test("a client cannot name what is reserved of a further meter", () => {
  expect(partKey("k", "a")).toBe("k\0a");
});
