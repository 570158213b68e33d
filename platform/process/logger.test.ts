import { expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import { installManualTime } from "../lifecycle/manual-time.testing.js";
import { createLogger, logRetried } from "./logger.js";

const MAX_BYTES = 16_384;

function logged(write: (logger: ReturnType<typeof createLogger>) => void): {
  line: string;
  seen: Record<string, unknown>;
} {
  const lines: string[] = [];
  write(createLogger("info", { write: (line: string) => void lines.push(line) }));
  expect(lines).toHaveLength(1);
  const [line = ""] = lines;
  expect(line.endsWith("\n")).toBe(true);
  return { line, seen: JSON.parse(line) };
}

test("a line that fits is written as it is", () => {
  const { seen } = logged((logger) => logger.child({ service: "quota" }).warn({ tenant: "acme" }, "refused"));
  expect(seen).toMatchObject({ level: 40, service: "quota", tenant: "acme", msg: "refused" });
});

test.each([
  ["a long value", { url: `/${"a".repeat(1 << 20)}` }],
  ["a value that escapes to more", { url: '"\\'.repeat(20_000) }],
  ["a value with many bytes for each character", { url: "\u20ac".repeat(6_000) }],
  ["half a character where it is cut", { url: `${"a".repeat(3_900)}${"\ud83d\ude00".repeat(9_000)}` }],
  ["an error that repeats what was sent", { err: new Error(`invalid input: ${"x".repeat(100_000)}`) }],
  [
    "causes below causes",
    { err: Array.from({ length: 60 }).reduce<Error>((cause) => new Error("x".repeat(500), { cause }), new Error()) },
  ],
  ["many members", Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`name${n}`, n]))],
])("%s does not make a line over 16 KiB", (_, values) => {
  const { line, seen } = logged((logger) => logger.child({ service: "quota" }).error(values, "a request failed"));
  expect(Buffer.byteLength(line)).toBeLessThanOrEqual(MAX_BYTES);
  expect(seen).toMatchObject({ level: 50, service: "quota", msg: "a request failed" });
  expect(Number(seen.bytes)).toBeGreaterThan(MAX_BYTES);
  expect(String(seen.cut)).toContain('"level":50');
});

test.each([
  [40, "no connection to the database", Object.assign(new Error("no connection"), { code: "08001" })],
  [40, "a statement out of time", Object.assign(new Error("canceled"), { code: "57014" })],
  [40, "a server that is busy", new MetrlyError("BUSY", "later")],
  [50, "a refusal for good", Object.assign(new Error("no such table"), { code: "42P01" })],
  [40, "a log that does not answer", new MetrlyError("LOG_UNAVAILABLE", "later")],
  [50, "a record of newer code", new UpgradeRequired({ contract: "c", set: "s", member: "m" })],
  [50, "a refused value", new MetrlyError("INVALID", "no")],
  [50, "a bug", new TypeError("undefined is not a function")],
])("at level %d: work is retried after %s", (level, _, error) => {
  expect(logged((logger) => logRetried(logger, error, "a close failed")).seen).toMatchObject({
    level,
    msg: "a close failed",
    err: { message: error.message },
  });
});

test("nor does a long message", () => {
  const { line, seen } = logged((logger) => logger.error("\u20ac".repeat(50_000)));
  expect(Buffer.byteLength(line)).toBeLessThanOrEqual(MAX_BYTES);
  expect(String(seen.msg).length).toBe(1_000);
});

test("of a message that repeats, 100 lines are written in ten seconds, and how many were not", async () => {
  const [time, restore] = installManualTime();
  try {
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger("info", { write: (line: string) => void lines.push(JSON.parse(line)) });
    const refused = logger.child({ service: "quota" });
    for (let n = 0; n < 5_000; n += 1) refused.warn({ err: new Error(`try ${n}`) }, "the store refused");
    refused.warn("another message");
    refused.error("the store refused");
    expect(lines).toHaveLength(102);
    await time.advance(10_000);
    expect(lines.slice(102)).toMatchObject([{ level: 40, service: "quota", msg: "the store refused", omitted: 4_900 }]);
    refused.warn("the store refused");
    expect(lines).toHaveLength(104);
    await time.advance(10_000);
    expect(lines).toHaveLength(104);
  } finally {
    restore();
  }
});
