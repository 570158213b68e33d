import { readFileSync } from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { SETTINGS, unknownSettings } from "./settings.js";

test("the settings are those of .env.example", () => {
  const example = parseEnv(readFileSync(path.join(packageRoot(), ".env.example"), "utf8"));
  expect([...SETTINGS].sort()).toEqual(Object.keys(example).sort());
  expect(unknownSettings(example)).toEqual([]);
});

test("a misspelt setting is named with the one that may be meant, and its value is not", () => {
  const env = {
    METRLY_PROT: "4100",
    metrly_demo: "off",
    METRLY_REDIS_PASWORD: "hunter2",
    METRLY_SOMETHING_OF_OTHERS: "x",
    METRLY_TOKEN: "of the command line",
    [`METRLY_${"X".repeat(100_000)}`]: "long",
    PATH: "/bin",
  };
  const said = unknownSettings(env);
  expect(said.join("\n")).not.toContain("hunter2");
  expect(said.map((one) => one.replace(/X{9,}/, "X…"))).toEqual([
    "METRLY_PROT is no setting and has no effect: did you mean METRLY_PORT?",
    "METRLY_REDIS_PASWORD is no setting and has no effect: did you mean METRLY_REDIS_PASSWORD?",
    "METRLY_SOMETHING_OF_OTHERS is no setting and has no effect: .env.example lists all settings",
    "METRLY_X… is no setting and has no effect: .env.example lists all settings",
    "metrly_demo is no setting and has no effect: did you mean METRLY_DEMO?",
  ]);
});

test("what all settings' names have in common brings none nearer", () => {
  const advice = (name: string) => unknownSettings({ [name]: "x" })[0]?.replace(/^.*: /, "");
  for (const name of ["METRLY_DB_URL", "METRLY_VERSION", "METRLY_INSTANCE", "METRLY_IMAGE"])
    expect(advice(name), name).toBe(".env.example lists all settings");
  expect(advice("METRLY_HOSTS")).toBe("did you mean METRLY_HOST?");
});

test("variables of the tests, and of a Service named metrly in Kubernetes, are not warned about", () => {
  const names = ["TEST_LONG", "FAULTS_SEED", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP"];
  const ports = ["", "_PROTO", "_PORT", "_ADDR"].map((end) => `PORT_4000_TCP${end}`);
  expect(unknownSettings(Object.fromEntries([...names, ...ports].map((name) => [`METRLY_${name}`, "x"])))).toEqual([]);
});
