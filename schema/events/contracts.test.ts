import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { type Contract, ContractViolation } from "./contract.js";

const FOLDER = new URL("./", import.meta.url);
const files = readdirSync(FOLDER).filter((name) => /\.v\d+\.ts$/.test(name));

test("there are contracts", () => {
  expect(files.length).toBeGreaterThan(5);
});

test.each(files)("%s: its example is valid, and something else is not", async (file) => {
  const exported = Object.values((await import(new URL(file, FOLDER).href)) as Record<string, unknown>);
  const contracts = exported.filter(isContract);
  expect(contracts).toHaveLength(1);
  for (const contract of contracts) {
    expect(contract.type).toMatch(/^metrly\.[a-z.]+\.v\d+$/);
    expect(contract.parse(JSON.parse(JSON.stringify(contract.example)))).toEqual(contract.example);
    expect(() => contract.parse({})).toThrow(ContractViolation);
    expect(() => contract.parse(null)).toThrow(ContractViolation);
  }
});

function isContract(value: unknown): value is Contract<never> {
  return typeof value === "object" && value !== null && "parse" in value && "example" in value;
}
