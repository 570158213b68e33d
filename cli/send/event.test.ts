import fc from "fast-check";
import { expect, test } from "vitest";
import { buildEvent, type Mapping } from "./event.js";
import { describeProgress } from "./progress.js";

const PLAIN: Mapping = { names: new Map(), defaults: {}, name: "usage.ndjson" };

function eventOf(text: string, mapping: Mapping = PLAIN, line = 1): Record<string, unknown> {
  const built = buildEvent({ line, text }, mapping);
  if (built.kind !== "event") throw new Error(built.reason);
  return JSON.parse(built.json);
}

function csvEvent(cells: Record<string, string>, names: Record<string, string>, defaults: Mapping["defaults"] = {}) {
  const row = { line: 2, text: JSON.stringify(cells), cells: new Map(Object.entries(cells)) };
  const built = buildEvent(row, { names: new Map(Object.entries(names)), defaults, name: "usage.csv" });
  return built.kind === "event" ? JSON.parse(built.json) : built.reason;
}

test("numbers keep every digit", () => {
  const built = buildEvent({ line: 1, text: '{"type":"t","a":12345678901234567890.10,"b":1e-30}' }, PLAIN);
  expect(built).toMatchObject({ json: expect.stringContaining('"data":{"a":12345678901234567890.10,"b":1e-30}') });
});

test("a CloudEvent is sent unchanged, with defaults for missing attributes", () => {
  const event = { specversion: "1.0", id: "1", source: "s", type: "t", ext: "x", data: { a: [1] } };
  expect(eventOf(JSON.stringify(event), { ...PLAIN, defaults: { subject: "acme", type: "other" } })).toEqual({
    ...event,
    subject: "acme",
  });
});

test("a plain object's attributes are extracted and the rest is data; a single member data is the data", () => {
  expect(eventOf('{"id":7,"type":"t","subject":"acme","tokens":"1","user":{"a":1}}')).toEqual({
    specversion: "1.0",
    id: "7",
    source: "metrly-send",
    type: "t",
    subject: "acme",
    data: { tokens: "1", user: { a: 1 } },
  });
  expect(eventOf('{"type":"t","data":{"tokens":"1"}}')).toMatchObject({ data: { tokens: "1" } });
});

test("mapped columns are attributes or data; with any for data, the others are omitted; empty cells are ignored", () => {
  const cells = { n: "1", kind: "t", out: "5", region: "", note: "x" };
  expect(csvEvent(cells, { id: "n", type: "kind" })).toMatchObject({
    id: "1",
    type: "t",
    data: { out: "5", note: "x" },
  });
  expect(csvEvent(cells, { id: "n", type: "kind", tokens: "out", region: "region" }).data).toEqual({ tokens: "5" });
  expect(csvEvent({ type: "", x: "1" }, {}, { type: "fallback" })).toMatchObject({
    type: "fallback",
    data: { x: "1" },
  });
});

test("a row without an id gets the same one each time, and another for another line, file or content", () => {
  fc.assert(
    fc.property(fc.json(), fc.integer({ min: 1, max: 1e9 }), (content, line) => {
      const text = `{"type":"t","x":${content}}`;
      const { id } = eventOf(text, PLAIN, line);
      expect(eventOf(text, PLAIN, line).id).toBe(id);
      expect(eventOf(text, PLAIN, line + 1).id).not.toBe(id);
      expect(eventOf(text, { ...PLAIN, name: "other" }, line).id).not.toBe(id);
      expect(eventOf(`{"type":"t","y":${content}}`, PLAIN, line).id).not.toBe(id);
      expect(String(id).length).toBeLessThan(64);
    }),
  );
});

test("an invalid row is reported with its reason", () => {
  const reason = (text: string) => {
    const built = buildEvent({ line: 1, text }, PLAIN);
    return built.kind === "invalid" ? built.reason : "an event";
  };
  expect(reason("[1]")).toBe("is not a JSON object");
  expect(reason("12")).toBe("is not a JSON object");
  expect(reason('{"x":1}')).toBe("type: must be a non-empty string");
  expect(reason('{"type":"metrly.x"}')).toBe("type: must not start with metrly.");
  expect(reason('{"type":"t","time":"yesterday"}')).toMatch(/^time: must be RFC 3339/);
  expect(reason(`{"type":"t","id":"${"x".repeat(257)}"}`)).toBe("id: at most 256 bytes");
  expect(reason(`{"type":"t","x":"${"x".repeat(65_536)}"}`)).toBe("has more than 65536 bytes");
});

test("progress shows share, rate and remaining time; without a known end only the rate", () => {
  const state = { rows: 1_500, rowsRead: 1_500, resumedRows: 500, bytes: 250, totalBytes: 1_000, elapsedMs: 1_000 };
  expect(describeProgress(state)).toBe("[######------------------]  25 %  1,500 rows  1,000 rows/s  ETA 0:03");
  expect(describeProgress({ ...state, totalBytes: undefined })).toBe("1,500 rows  1,000 rows/s");
  expect(describeProgress({ ...state, rows: 1, resumedRows: 0, totalBytes: undefined })).toBe("1 row  1 rows/s");
});

test("what is read and not answered yet is not done", () => {
  const small = { rowsRead: 1_000, resumedRows: 0, bytes: 800, totalBytes: 800, elapsedMs: 1_000 };
  expect(describeProgress({ ...small, rows: 0 })).toMatch(/^\[-{24}\] {3}0 % {2}0 rows .* ETA \?$/);
  expect(describeProgress({ ...small, rows: 0, rowsRead: 0 })).toMatch(/ {3}0 %/);
  expect(describeProgress({ ...small, rows: 500 })).toMatch(/ {2}50 %/);
  expect(describeProgress({ ...small, rows: 1_000 })).toMatch(/ 100 % .* ETA 0:00$/);
});
