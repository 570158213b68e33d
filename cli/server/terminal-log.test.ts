import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLogger } from "#platform/process/logger.js";
import { createTerminalLog, logFile } from "./terminal-log.js";

let folder: string;
let shown: string[];
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "metrly-terminal-log-"));
  shown = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (dataDir: string) => {
  const terminal = createTerminalLog(logFile(dataDir), (line) => void shown.push(line));
  return { ...terminal, logger: createLogger("info", terminal.destination) };
};

async function written(dataDir: string): Promise<string[]> {
  const lines = (await readFile(logFile(dataDir), "utf8")).trim().split("\n");
  return lines.map((line) => JSON.parse(line).msg);
}

test("a person reads text, the file has the JSON lines", async () => {
  const { logger, expectLinesOf } = open(folder);
  expectLinesOf("whe_1");
  logger.info("Server listening at http://127.0.0.1:4000");
  logger.info({ signal: "SIGINT" }, "stopping");
  logger.child({ service: "quota" }).warn({ err: new Error("no\nroute"), tries: 3 }, "Redis does not answer");
  logger.warn({ endpointId: "whe_1" }, "a webhook endpoint was disabled");
  logger.error({ endpointId: "whe_2" }, "a webhook endpoint was disabled");
  expect(shown.map((line) => line.replace(/^\d\d:\d\d:\d\d /, ""))).toEqual([
    "stopping (signal=SIGINT)",
    "warning quota: Redis does not answer: no route (tries=3)",
    "error a webhook endpoint was disabled (endpointId=whe_2)",
  ]);
  expect(await written(folder)).toHaveLength(5);
  expect((await stat(logFile(folder))).mode & 0o777).toBe(0o600);
});

test("a person reads why an error happened: its code and its causes too", () => {
  const { logger } = open(folder);
  const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });
  logger.error({ err: new TypeError("fetch failed", { cause: refused }) }, "a call failed");
  logger.error({ err: Object.assign(new AggregateError([refused]), { code: "ECONNREFUSED" }) }, "a call failed");
  logger.error({ err: new AggregateError([]) }, "a call failed");
  logger.error({ err: Object.assign(new Error("the server refused"), { code: "57P03" }) }, "a call failed");
  expect(shown.map((line) => line.replace(/^.*?a call failed: /, ""))).toEqual([
    "fetch failed: connect ECONNREFUSED 127.0.0.1:1",
    "ECONNREFUSED",
    "AggregateError",
    "the server refused 57P03",
  ]);
  const repeats = new Error("again");
  logger.error({ err: new Error("again", { cause: repeats }) }, "a call failed");
  expect(shown.at(-1)).toMatch(/a call failed: again$/);
});

test("lines from before the data directory exists are written once it does, which the log never creates", async () => {
  const dataDir = path.join(folder, "new");
  const { logger } = open(dataDir);
  logger.warn("METRLY_PROT is no setting");
  await expect(stat(dataDir)).rejects.toThrow("ENOENT");
  await mkdir(dataDir);
  logger.info("started");
  expect(await written(dataDir)).toEqual(["METRLY_PROT is no setting", "started"]);
});

test("a large file is moved away, and one that cannot be written is told once and stops nobody", async () => {
  await writeFile(logFile(folder), "x".repeat(11 << 20));
  open(folder).logger.info("next");
  expect(await written(folder)).toEqual(["next"]);
  expect((await stat(`${logFile(folder)}.1`)).size).toBe(11 << 20);

  // Another process writes to it too, or has moved it away.
  const { logger: first } = open(folder);
  first.info("first");
  await writeFile(logFile(folder), "x".repeat(11 << 20));
  first.info("second");
  expect(await written(folder)).toEqual(["second"]);

  await mkdir(path.join(folder, "taken/metrly.log"), { recursive: true });
  const { logger } = open(path.join(folder, "taken"));
  logger.info("one");
  logger.info("two");
  expect(shown.filter((line) => line.includes("cannot be written"))).toHaveLength(1);
  expect(shown.slice(-1)[0]).toMatch(/two$/);
});
