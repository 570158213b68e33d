import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");
const tree = mkdtempSync(path.join(tmpdir(), "metrly-raw-time-"));
afterEach(() => rmSync(tree, { recursive: true, force: true }));

/** One a line, so that each must be found. */
const RAW = [
  'import { setTimeout as sleep } from "node:timers/promises";',
  'import { uuidv7 } from "uuidv7";',
  'import { randomUUID as newId } from "node:crypto";',
  "export const later = new Date;",
  "export const wallClock = Date.now();",
  "export const clock = { now: Date.now };",
  "export const today = new Date();",
  "export const began = performance.now();",
  "export const precise = process.hrtime.bigint();",
  "export const jitter = Math.random();",
  "export const id = crypto.randomUUID();",
  "export const other = randomUUID();",
  "export const bytes = randomBytes(4);",
  "export const deadline = AbortSignal.timeout(5);",
  "setTimeout(run, 5);",
  "setInterval(run, 5);",
  "setImmediate(run);",
  "export const a = globalThis.Date.now();",
  "export const b = new globalThis.Date();",
  'export const c = Date["now"]();',
  "const { now } = Date;",
  "const D = Date;",
  "export const d = Reflect.construct(Date, []);",
  "export const e = globalThis.performance.now();",
  'import { performance as p } from "node:perf_hooks";',
  "globalThis.setTimeout(run, 5);",
  'const timers = await import("node:timers/promises");',
  'export const f = AbortSignal["timeout"](5);',
  "export const g = process.uptime();",
  'export const h = process["hrtime"]();',
  "const { uptime } = process;",
  'export const i = Math["random"]().toFixed();',
  "const { random } = Math;",
  "export const j = globalThis.crypto.randomUUID();",
  'import nodeCrypto from "node:crypto";',
  'import * as allOfCrypto from "node:crypto";',
  "export const k = new Date(Date.now());",
  'export const l = new Date(Date["now"]());',
];
const FINE = [
  "export const parsed = new Date(0).toISOString();",
  "export const parts = Date.UTC(2026, 0);",
  'export const ms = Math.max(Date.parse("2026-01-01"), 0);',
  "export const isDate = (value: unknown, other?: Date): value is Date => value instanceof Date;",
  'export const day = new Date(Math.max(Date.UTC(2026, 0), Date.parse("2026-01-01")));',
  "export const either = (signal: AbortSignal) => AbortSignal.any([signal]);",
  "export const path = process.env.PATH;",
  'import { createHash } from "node:crypto";',
];

test("the lint finds each raw use of time or randomness in production code, and none where they are exempt", () => {
  cpSync(path.join(ROOT, "biome.json"), path.join(tree, "biome.json"));
  cpSync(path.join(ROOT, "scripts/lint"), path.join(tree, "scripts/lint"), { recursive: true });
  const production = [
    "kernel/a.ts",
    "platform/outbox/a.ts",
    "workers/quota/gate/a.ts",
    "gateway/a.ts",
    "cli/send/a.ts",
  ];
  const exempt = ["platform/lifecycle/time.ts", "workers/quota/a.test.ts", "tests/a.ts", "sdk/src/a.ts"];
  for (const file of [...production, ...exempt]) {
    mkdirSync(path.join(tree, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(tree, file), `${[...RAW, ...FINE].join("\n")}\n`);
  }
  const biome = path.join(ROOT, "node_modules/@biomejs/biome/bin/biome");
  const args = ["lint", "--reporter=github", "--max-diagnostics=500", "."];
  const { stdout, status } = spawnSync(process.execPath, [biome, ...args], { cwd: tree, encoding: "utf8" });
  const found = [...stdout.matchAll(/title=plugin,file=([^,]+),line=(\d+),/g)].map(
    ([, file = "", line]) => `${path.isAbsolute(file) ? path.relative(tree, file) : file}:${line}`,
  );
  expect(status).toBe(1);
  expect(new Set(found)).toEqual(new Set(production.flatMap((file) => RAW.map((_, line) => `${file}:${line + 1}`))));
});
