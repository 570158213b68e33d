import { expect, test } from "vitest";
import { MAX_DATA_DEPTH } from "./canonical-data.js";
import { readEnvelope } from "./event-envelope.js";

const event = { specversion: "1.0", id: "e1", source: "s", type: "t" };
const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));

test("an event's attributes are read, what is absent or null has its default, extensions are dropped", () => {
  expect(readEnvelope(event)).toEqual({
    ...{ kind: "read", id: "e1", source: "s", type: "t", subject: undefined, time: undefined, data: {} },
  });
  const full = {
    ...event,
    subject: "acme",
    time: "2026-11-01T00:00:00Z",
    data: null,
    extension: nested(MAX_DATA_DEPTH),
  };
  expect(readEnvelope({ ...full, datacontenttype: "application/cloudevents+json; charset=utf-8" })).toEqual({
    ...{ kind: "read", id: "e1", source: "s", type: "t", subject: "acme", time: Date.UTC(2026, 10, 1), data: null },
  });
  const absent = { subject: null, time: null, data_base64: null, datacontenttype: null };
  expect(readEnvelope({ ...event, ...absent, data: nested(100) })).toMatchObject({ kind: "read" });
});

test.each<[unknown, string, string]>([
  [[], "INVALID", "An event must be a JSON object"],
  [{ ...event, specversion: "0.3" }, "INVALID", 'specversion: must be "1.0"'],
  [{ ...event, deep: nested(MAX_DATA_DEPTH + 1) }, "INVALID", "deep: nested deeper than 32 levels"],
  [
    { ...event, ["d".repeat(65)]: nested(MAX_DATA_DEPTH + 1) },
    "INVALID",
    `${"d".repeat(64)}: nested deeper than 32 levels`,
  ],
  [{ ...event, id: undefined }, "INVALID", "id: must be a non-empty string"],
  [{ ...event, source: "" }, "INVALID", "source: must be a non-empty string"],
  [{ ...event, type: 1 }, "INVALID", "type: must be a non-empty string"],
  [{ ...event, id: "é".repeat(129) }, "INVALID", "id: at most 256 bytes"],
  [{ ...event, id: "a\0" }, "INVALID", "id: must be valid Unicode without NUL"],
  [{ ...event, type: "metrly.quota" }, "RESERVED_TYPE", "type: must not start with metrly."],
  [{ ...event, subject: 5 }, "INVALID", "subject: must be a string"],
  [{ ...event, time: "yesterday" }, "INVALID", "time: must be RFC 3339, e.g. 2026-11-01T00:00:00Z"],
  [{ ...event, time: 5 }, "INVALID", "time: must be RFC 3339, e.g. 2026-11-01T00:00:00Z"],
  [{ ...event, data_base64: "AA==" }, "INVALID", "data_base64: only JSON data can be metered; send `data`"],
])("%j is refused: %s", (value, code, detail) => {
  expect(readEnvelope(value)).toEqual({ kind: "rejected", code, detail });
});

test("attributes have at most 256 bytes of UTF-8", () => {
  for (const id of ["a".repeat(256), "é".repeat(128)]) expect(readEnvelope({ ...event, id }).kind).toBe("read");
});

test("only JSON is metered", () => {
  const read = (datacontenttype: unknown) => readEnvelope({ ...event, datacontenttype });
  for (const type of ["application/json", "APPLICATION/JSON", "text/json ;charset=utf-8", "application/vnd.a-b.c+json"])
    expect(read(type).kind).toBe("read");
  for (const type of [
    "application/xml",
    "json",
    "application/jsonp",
    "x application/json",
    "application/x+y+json",
    "",
    5,
  ])
    expect(read(type)).toEqual({
      ...{ kind: "rejected", code: "INVALID", detail: "datacontenttype: only JSON data can be metered" },
    });
});
