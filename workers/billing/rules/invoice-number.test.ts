import { expect, test } from "vitest";
import { invoiceNumber } from "../verifier/document.js";
import { invoiceNumberOf } from "./invoice-document.js";

const IDS = [
  "acme",
  "ACME",
  "Acme",
  "aCME",
  "acme-000001",
  "a.c_m-e9",
  "A9",
  `${"a".repeat(63)}Z`,
  `Z${"a".repeat(63)}`,
];

test("no two tenants have the same series, whatever the case of their ids and of the reader", () => {
  const numbers = IDS.flatMap((id) =>
    [1, 2, 1_000_000].map((ordinal) => invoiceNumberOf(id, ordinal, 2).toLowerCase()),
  );
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(invoiceNumberOf("acme", 1, 2)).toBe("ACME-000001");
  expect(invoiceNumberOf("Acme", 1, 2)).toBe("ACME+8-000001");
});

test("version 1 keeps its numbers", () => {
  expect(IDS.slice(0, 3).map((id) => invoiceNumberOf(id, 7, 1))).toEqual(Array(3).fill("ACME-000007"));
});

test("the verifier numbers alike", () => {
  for (const version of [1, 2] as const)
    for (const tenantId of IDS)
      expect(invoiceNumber({ version, tenantId, ordinal: 3 })).toBe(invoiceNumberOf(tenantId, 3, version));
});
