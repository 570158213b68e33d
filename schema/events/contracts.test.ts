import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { type Contract, ContractViolation } from "./contract.js";
import { CONTRACT_NAMES } from "./growing.js";
import { usageReceivedV1 } from "./usage-received.v1.js";

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

test("a name of another contract that this build has is a violation, not newer code", () => {
  const tick = { kind: "tick", at: 0 };
  expect(() => usageReceivedV1.parse({ ...tick, schema: "metrly.usage.received.v2" })).toThrow(ContractViolation);
  expect(() => usageReceivedV1.parse({ ...tick, schema: "metrly.usage.received.v3" })).toThrow(UpgradeRequired);
});

test("the list of contracts is complete", async () => {
  const modules = await Promise.all(files.map((file) => import(new URL(file, FOLDER).href)));
  const types = modules.flatMap((module) => Object.values(module).filter(isContract)).map(({ type }) => type);
  expect([...CONTRACT_NAMES].sort()).toEqual(types.sort());
});

function isContract(value: unknown): value is Contract<never> {
  return typeof value === "object" && value !== null && "parse" in value && "example" in value;
}
