import { expect, test } from "vitest";
import { bar, type Column, formatRows, sparkline } from "./table.js";

const rows = [
  { name: "calls", used: 5 },
  { name: "a\tb\u001b[2J", used: 1_000 },
];
const columns: Column<(typeof rows)[number]>[] = [
  { name: "NAME", text: ({ name }) => name },
  { name: "USED", text: ({ used }) => String(used), isNumber: true },
  { name: "", text: ({ used }) => bar(used / 1_000), isPicture: true },
];

test("people get aligned columns and pictures, and no control characters", () => {
  expect(formatRows(rows, columns, { isTerminal: true, json: false })).toBe(
    ["NAME     USED", `calls       5  ${"░".repeat(20)}`, `a b [2J  1000  ${"█".repeat(20)}`, ""].join("\n"),
  );
});

test("a pipe gets tabs, a program JSON", () => {
  expect(formatRows(rows, columns, { isTerminal: false, json: false })).toBe("NAME\tUSED\ncalls\t5\na b [2J\t1000\n");
  expect(
    formatRows(rows, columns, { isTerminal: true, json: true })
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual(rows);
});

test("a sparkline is as high as its largest value, also when there is none", () => {
  expect(sparkline([0, 1, 4, 8])).toBe("▁▂▅█");
  expect(sparkline([0, 0])).toBe("▁▁");
  expect(sparkline([])).toBe("");
  expect(sparkline([-5, 5])).toBe("▁█");
});
