import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "..");
const tree = mkdtempSync(path.join(tmpdir(), "metrly-imports-"));
afterEach(() => rmSync(tree, { recursive: true, force: true }));

/** Each file with the rule that refuses its one import; undefined: it is allowed. */
const PLANTED: readonly (readonly [file: string, imports: string, rule: string | undefined])[] = [
  ["kernel/a.ts", "platform/redis/z.ts", "kernel-knows-only-decimal"],
  ["schema/a.ts", "platform/redis/z.ts", "schema-looks-down-only"],
  ["platform/redis/a.ts", "gateway/z.ts", "platform-looks-down-only"],
  ["platform/redis/b.ts", "platform/process/z.ts", "platform-redis"],
  ["platform/auth/a.ts", "platform/ledger/z.ts", "platform-auth"],
  ["platform/auth/a.test.ts", "platform/ledger/z.ts", undefined],
  ["platform/ledger/a.ts", "platform/auth/z.ts", undefined],
  ["workers/quota/a.ts", "platform/drawer/z.ts", "platform-room-is-drawn"],
  ["workers/quota/b.ts", "platform/event-log/kafka/log.ts", "adapter-is-chosen-once"],
  ["workers/quota/c.test.ts", "platform/event-log/kafka/log.ts", undefined],
  ["workers/quota/d.test.ts", "platform/event-log/kafka/fetch.ts", "adapter-insides"],
  ["platform/process/ports.ts", "platform/job-queue/bullmq/queues.ts", undefined],
  ["platform/event-log/a.ts", "platform/event-log/postgres/read.ts", "adapter-insides"],
  ["platform/event-log/kafka/log.ts", "platform/event-log/postgres/read.ts", "adapter-insides"],
  ["workers/quota/counters/memory/state.ts", "workers/quota/counters/redis/lua.ts", "adapter-insides"],
  ["workers/quota/counters/memory/memory.ts", "workers/quota/counters/memory/state.ts", undefined],
  ["workers/quota/gate/a.ts", "workers/quota/counters/redis/redis.ts", "adapter-is-chosen-once"],
  ["workers/quota/main.ts", "workers/quota/counters/redis/lua.ts", "adapter-insides"],
  ["workers/billing/rules/a.ts", "workers/billing/store/z.ts", "rules-are-pure"],
  ["workers/billing/rules/b.ts", "fs", "rules-are-pure"],
  ["workers/billing/store/a.ts", "workers/billing/closing/z.ts", "store-knows-rules-only"],
  ["workers/billing/store/b.ts", "workers/billing/rules/z.ts", undefined],
  ["workers/billing/graph/a.ts", "workers/billing/http/z.ts", "graph-and-http-are-apart"],
  ["workers/billing/http/a.ts", "workers/billing/graph/z.ts", "graph-and-http-are-apart"],
  ["workers/billing/graph/b.ts", "prisma/billing/z.ts", "statements-are-in-store"],
  ["workers/billing/store/c.ts", "prisma/billing/z.ts", undefined],
  ["platform/outbox/a.ts", "pg", "sessions-have-a-profile"],
  ["workers/billing/a.ts", "workers/billing/main.ts", "main-is-the-top"],
  ["workers/billing/b.ts", "workers/quota/z.ts", "rooms-do-not-import-rooms"],
  ["workers/billing/verifier/a.ts", "workers/billing/rules/z.ts", "verifier-is-separate"],
  ["workers/billing/c.ts", "prisma/quota/z.ts", "own-prisma-client-only"],
  ["sdk/src/a.ts", "kernel/z.ts", "sdk-stands-alone"],
  ["tests/oracle/a.ts", "kernel/z.ts", "oracle-is-separate"],
  ["cli/a.ts", "tests/support/z.ts", "product-does-not-need-tests"],
  ["cli/b.ts", "workers/quota/z.testing.ts", "product-does-not-need-tests"],
  ["cli/c.ts", "cli/nowhere.ts", "unresolvable"],
];

test("each forbidden import is reported, and no other", () => {
  for (const [file, imports] of PLANTED) {
    plant(file, imports);
    if (imports.endsWith(".ts") && rule(imports) !== "unresolvable") plant(imports);
  }
  const reported = importsOf().filter((line) => !line.startsWith("rooms-form-no-cycle"));
  const found = new Set(reported.map((line) => line.replace(/ -> .*/, "")));
  for (const [file, , name] of PLANTED) {
    if (name === undefined) expect(reported.filter((line) => line.includes(`: ${file} `))).toEqual([]);
    else expect([...found]).toContain(`${name}: ${file}`);
  }
});

test("a cycle of types alone is reported, between two files and between two rooms", () => {
  plant("workers/quota/gate/a.ts", "workers/quota/gate/b.ts");
  plant("workers/quota/gate/b.ts", "workers/quota/gate/a.ts");
  plant("workers/billing/closing/a.ts", "workers/billing/rebuild/a.ts");
  plant("workers/billing/rebuild/a.ts");
  plant("workers/billing/rebuild/b.ts", "workers/billing/closing/b.ts");
  plant("workers/billing/closing/b.ts");
  expect(importsOf().map((line) => line.replace(/ \(.*/, ""))).toEqual([
    "no-cycle: workers/quota/gate/a.ts -> workers/quota/gate/b.ts -> workers/quota/gate/a.ts",
    "rooms-form-no-cycle: workers/billing/closing -> workers/billing/rebuild -> workers/billing/closing",
  ]);
});

test("a room of more than 25 files is reported", () => {
  for (let index = 0; index < 26; index += 1) plant(`kernel/a${index}.ts`);
  expect(importsOf()).toEqual(["room-is-too-large: kernel has 26 files, at most 25"]);
});

const rule = (imports: string) => PLANTED.find(([, target]) => target === imports)?.[2];

/** Writes a file that imports one type of another, or nothing. One that is there already keeps its import. */
function plant(file: string, imports?: string): void {
  const at = path.join(tree, file);
  mkdirSync(path.dirname(at), { recursive: true });
  const relative = imports && path.posix.relative(path.posix.dirname(file), imports).replace(/\.ts$/, ".js");
  const specifier = imports?.endsWith(".ts") ? `./${relative}` : imports;
  const line = specifier === undefined ? "" : `import type { A } from "${specifier}";\nexport type B = A;\n`;
  writeFileSync(at, `${line}export interface A {}\n`, { flag: imports === undefined ? "a" : "w" });
}

function importsOf(): string[] {
  for (const file of ["package.json", "tsconfig.json"]) cpSync(path.join(ROOT, file), path.join(tree, file));
  symlinkSync(path.join(ROOT, "node_modules"), path.join(tree, "node_modules"));
  const { stderr } = spawnSync(process.execPath, [path.join(ROOT, "scripts/imports.mjs")], {
    cwd: tree,
    encoding: "utf8",
  });
  return stderr.split("\n").filter((line) => line !== "");
}
