import { expect, test } from "vitest";
import { listOfIds, numberedList } from "./pagination.js";

const invoices = numberedList("invoices");
const deliveries = listOfIds("delivery");
const encoded = (text: string) => Buffer.from(text).toString("base64url");
const refused = expect.objectContaining({ code: "INVALID" });
const failureOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

test("a cursor decodes to its position", () => {
  for (const position of [0, 1, 999_999_999_999_999])
    expect(invoices.positionOf(invoices.cursorAt(position, "acme"), "acme")).toBe(position);
  expect(deliveries.positionOf(deliveries.cursorAt("whd_0-1", "whe_2"), "whe_2")).toBe("whd_0-1");
});

test.each([
  ["another list's", numberedList("periods").cursorAt(1, "acme")],
  ["another tenant's", invoices.cursorAt(1, "acme:2")],
  ["a list's whose positions are texts", deliveries.cursorAt("1", "acme")],
  ["a bare position", encoded("1")],
  ["nothing", ""],
  ["no cursor", "42"],
  ["a fraction", encoded("invoices:1.5:acme")],
  ["more than a position can be", encoded("invoices:1000000000000000:acme")],
  ["several lines", encoded("invoices:1:acme\n")],
])("%s is refused", (_, cursor) => {
  expect(failureOf(() => invoices.positionOf(cursor, "acme"))).toEqual(refused);
});

test("cursors of release 0.1 are still accepted", () => {
  expect(numberedList("notice").positionOf(encoded("notice 7"), "acme")).toBe(7);
  expect(deliveries.positionOf(encoded("delivery whd_7"), "whe_1")).toBe("whd_7");
});

test("a page is limited to its size and reports a next page", () => {
  const page = invoices.open({ first: 2, after: null }, "acme");
  const rows = [9, 8, 7].slice(0, page.take);
  const shown = page.of(rows, (row) => row, String);
  expect(shown).toEqual({
    nodes: ["9", "8"],
    pageInfo: { hasNextPage: true, endCursor: invoices.cursorAt(8, "acme") },
  });
  const next = invoices.open({ first: 2, after: shown.pageInfo.endCursor }, "acme");
  expect(next.after).toBe(8);
  expect(next.of([7], (row) => row, String).pageInfo.hasNextPage).toBe(false);
  expect(next.of([], (row: number) => row, String).pageInfo).toEqual({ hasNextPage: false, endCursor: null });
});

test("a page has 1 to 200 entries, by default 50", () => {
  expect(invoices.open({ first: null, after: undefined }).take).toBe(51);
  for (const first of [0, -1, 201]) expect(failureOf(() => invoices.open({ first, after: null }))).toEqual(refused);
});
