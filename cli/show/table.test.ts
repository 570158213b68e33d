import { expect, test } from "vitest";
import { bar, type Column, formatRows, shortDay, shortTime, sparkline } from "./table.js";

const rows = [
  { name: "calls", used: 5 },
  { name: "a\tb\u001b[2J", used: 1_000 },
];
const columns: Column<(typeof rows)[number]>[] = [
  { name: "NAME", text: ({ name }) => name, mayBeCut: true },
  { name: "USED", text: ({ used }) => String(used), isNumber: true },
  { name: "", text: () => "", picture: { width: 20, draw: ({ used }, width) => bar(used / 1_000, width) } },
];

test("people get aligned columns and pictures, and no control characters", async () => {
  expect(await formatRows(rows, columns, { width: 80 })).toBe(
    ["NAME     USED", `calls       5  ${"░".repeat(20)}`, `a b [2J  1000  ${"█".repeat(20)}`, ""].join("\n"),
  );
});

test("a heading stands for the name at a terminal; what has no value is a dash, in CSV an empty cell", async () => {
  const times = [{ at: "2026-11-28T14:02:00Z" }, { at: null }];
  const column: Column<(typeof times)[number]>[] = [
    { name: "AT", heading: "AT (UTC)", text: ({ at }) => at },
    { name: "N", text: () => "1", isNumber: true },
  ];
  expect(await formatRows(times, column, { width: 80 })).toBe(
    ["AT (UTC)              N", "2026-11-28T14:02:00Z  1", "-                     1", ""].join("\n"),
  );
  expect(await formatRows(times, column, {})).toBe("AT\tN\n2026-11-28T14:02:00Z\t1\n-\t1\n");
  expect(await formatRows(times, column, { format: "csv" })).toBe("at,n\n2026-11-28T14:02:00Z,1\n,1\n");
});

test.each([80, 40, 24, 22])("a table fits into a terminal of %i characters", async (width) => {
  const lines = (await formatRows(rows, columns, { width })).trimEnd().split("\n");
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
  expect(lines[2]).toMatch(/^a b \S+ +1000 {2}█{5,20}$/);
});

test("texts share a terminal that is too narrow; where that leaves too little, each value gets a line", async () => {
  const texts = [{ key: "k".repeat(20), url: "u".repeat(40), events: "e".repeat(30) }];
  const cut: Column<(typeof texts)[number]>[] = [
    { name: "KEY", text: ({ key }) => key },
    { name: "URL", text: ({ url }) => url, mayBeCut: true },
    { name: "EVENTS", text: ({ events }) => events, mayBeCut: true },
  ];
  const [, row] = (await formatRows(texts, cut, { width: 80 })).split("\n");
  expect(row).toBe(`${"k".repeat(20)}  ${"u".repeat(27)}…  ${"e".repeat(27)}…`);
  expect(await formatRows(texts, cut, { width: 50 })).toBe(
    [`KEY     ${"k".repeat(20)}`, `URL     ${"u".repeat(40)}`, `EVENTS  ${"e".repeat(30)}`, ""].join("\n"),
  );
});

test("a text that must be read whole continues below, in its column", async () => {
  const lines = [
    { amount: "14.80", steps: "8.4 x 0 = 0 (divided by 1000000); 7.4 x 2 = 14.8; 1 x 3 = 3 (a long note)" },
  ];
  const computed: Column<(typeof lines)[number]>[] = [
    { name: "AMOUNT", text: ({ amount }) => amount, isNumber: true },
    { name: "COMPUTED", text: ({ steps }) => steps, mayWrap: true },
  ];
  expect((await formatRows(lines, computed, { width: 42 })).split("\n")).toEqual([
    "AMOUNT  COMPUTED",
    " 14.80  8.4 x 0 = 0 (divided by 1000000);",
    "        7.4 x 2 = 14.8;",
    "        1 x 3 = 3 (a long note)",
    "",
  ]);
  expect((await formatRows(lines, computed, { width: 28 })).split("\n").slice(1, 3)).toEqual([
    " 14.80  8.4 x 0 = 0 (divided",
    "        by 1000000);",
  ]);
  expect((await formatRows(lines, computed, { width: 200 })).split("\n")).toHaveLength(3);
  expect((await formatRows(lines, computed, { width: 22 })).split("\n").slice(0, 4)).toEqual([
    "AMOUNT    14.80",
    "COMPUTED  8.4 x 0 = 0",
    "          (divided by",
    "          1000000);",
  ]);
});

test("a pipe gets tabs, a program JSON or CSV whose texts are no formulas", async () => {
  expect(await formatRows(rows, columns, {})).toBe("NAME\tUSED\ncalls\t5\na b [2J\t1000\n");
  const lines = (await formatRows(rows, columns, { width: 80, format: "json" })).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(rows);
  const odd = [{ name: '=1+1,"', used: -5 }];
  expect(await formatRows(odd, columns, { format: "csv" })).toBe(`name,used\n"'=1+1,""",-5\n`);
});

test("times are short for people, and have a year where it is not clear", () => {
  const now = Date.parse("2026-11-28T12:00:00Z");
  expect(shortTime("2026-11-02T09:30:12.000Z", now)).toBe("02 Nov 09:30");
  expect(shortTime("2025-11-02T09:30:12.000Z", now)).toBe("02 Nov 2025");
  expect(shortDay("2026-11-02T00:00:00.000Z", now)).toBe("02 Nov");
  expect(shortDay("2025-11-02T00:00:00.000Z", now)).toBe("02 Nov 2025");
});

test("a sparkline is as high as its largest value, also when there is none, and shows the last values", () => {
  expect(sparkline([0, 1, 4, 8])).toBe("▁▂▅█");
  expect(sparkline([0, 0])).toBe("▁▁");
  expect(sparkline([])).toBe("");
  expect(sparkline([-5, 5])).toBe("▁█");
  expect(sparkline([8, 0, 1], 2)).toBe("▁█");
});
