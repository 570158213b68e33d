import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { MAX_BODY_BYTES } from "#schema/openapi/limits.js";
import { runs } from "../../../tests/support/effort.js";
import { createRecentlyAcknowledged } from "../intake/recently-acknowledged.js";
import type { Arrival } from "../rules/accept-item.js";
import { meterState, tenantState } from "../world.testing.js";
import { startAnswer } from "./answer.js";
import { claimedBytes, codingOf, inflate, readEvents } from "./body.js";

const NOW = Date.UTC(2026, 10, 15);
const arrival: Arrival = {
  now: NOW,
  keyTenantId: null,
  tenancyVersion: 1_000_000,
  isImport: false,
  tenant: (id) => (id === "acme" ? tenantState("acme") : undefined),
  metersOfType: (type) => [
    meterState("sum", type, { aggregation: "SUM", valueProperty: "n", dimensions: ["region", "__proto__"] }),
  ],
};

const deep = fc
  .tuple(
    fc.constantFrom(["[", "]"], ['{"a":', "}"]),
    fc.constantFrom(31, 32, 33, 64, 5_000),
    fc.constantFrom("1", "1e400"),
  )
  .map(([[open = "", close = ""], levels, leaf]) => open.repeat(levels) + leaf + close.repeat(levels));
const wide = fc
  .constantFrom("0.1,", "1e400,", "12345678901234567890,", '{"a":1},')
  .map((one) => `[${one.repeat(2_000)}1]`);
const value = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('"1.0"', '"a"', '"acme"', '"2026-11-15T24:00:00Z"', '"2026-11-14T00:00:00Z"'),
  },
  { weight: 2, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.oneof(deep, wide) },
);
const NAMES = ["specversion", "id", "source", "type", "subject", "time", "data", "data_base64", "datacontenttype"];
const GOOD = ['"specversion":"1.0"', '"id":"1"', '"source":"s"', '"type":"t"', '"subject":"acme"', '"data":{"n":1}'];
/** A good event, some of whose members are replaced or repeated. */
const event = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom(...NAMES, "__proto__", "extra"), fc.string()), value), { maxLength: 4 })
  .map((changed) => `{${[...GOOD, ...changed.map(([name, text]) => `${JSON.stringify(name)}:${text}`)].join(",")}}`);
const text = fc.oneof(
  event,
  fc.array(event, { maxLength: 5 }).map((events) => `[${events.join(",")}]`),
  value,
);
/** The text's bytes, one of which may be another. */
const bytes = fc.tuple(text, fc.option(fc.tuple(fc.nat(), fc.nat(255)))).map(([whole, change]) => {
  const body = Buffer.from(whole);
  if (change !== null && body.length > 0) body[change[0] % body.length] = change[1];
  return body;
});
const headers = fc.record(
  {
    "content-type": fc.constantFrom(
      "application/cloudevents+json",
      "application/cloudevents-batch+json",
      "application/json; charset=UTF-8",
      "text/plain",
      ";;=",
    ),
    "ce-id": fc.constantFrom("1", "%ff", "%C3%A9", "\0"),
    "ce-specversion": fc.constantFrom("1.0", "2"),
    "ce-source": fc.constant("s"),
    "ce-type": fc.constant("t"),
    "ce-__proto__": fc.constant("x"),
  },
  { requiredKeys: ["content-type"] },
);

test("whatever a client sends, it gets an answer with a result per event, or an error that is its own", () => {
  fc.assert(
    fc.property(headers, bytes, (sent, body) => {
      try {
        const items = readEvents(sent, body);
        const answering = startAnswer(items.length, createRecentlyAcknowledged());
        answering.decide(items, arrival);
        const { answer } = answering.answered();
        expect(answer.results).toHaveLength(items.length);
        expect(JSON.stringify(answer).length).toBeLessThan(1_000 * (items.length + 1));
      } catch (error) {
        expect(error instanceof MetrlyError && error.status < 500, String(error)).toBe(true);
      }
    }),
    { numRuns: runs(300) },
  );
});

test("a gzip body inflates within the limit or is refused, whatever it claims", () => {
  const cut = fc.tuple(fc.nat(3_000_000), fc.option(fc.nat(40)), fc.uint8Array({ maxLength: 8 }));
  fc.assert(
    fc.property(cut, ([size, kept, more]) => {
      const gzip = gzipSync(Buffer.alloc(size, " "));
      const body = Buffer.concat([kept === null ? gzip : gzip.subarray(0, kept), more]);
      expect(claimedBytes(body)).toBeLessThanOrEqual(MAX_BODY_BYTES);
      try {
        expect(inflate(body).length).toBeLessThanOrEqual(MAX_BODY_BYTES);
      } catch (error) {
        expect(error instanceof MetrlyError && error.status < 500, String(error)).toBe(true);
      }
    }),
    { numRuns: runs(50) },
  );
});

test("a content coding has many spellings", () => {
  for (const name of ["gzip", "GZip", "x-gzip", " X-GZIP "])
    expect(codingOf({ "content-encoding": name })).toBe("gzip");
  for (const name of [undefined, "", "Identity"])
    expect(codingOf(name === undefined ? {} : { "content-encoding": name })).toBe("identity");
});

const eventOf = (sent: Record<string, string>, body: string) =>
  readEvents(sent, Buffer.from(body)).map(({ event }) => event);
const refusalOf = (sent: Record<string, string>, body: string): string => {
  try {
    return JSON.stringify(eventOf(sent, body));
  } catch (error) {
    return error instanceof MetrlyError ? error.code : String(error);
  }
};

/** The event that the examples of the CloudEvents HTTP binding and of its conformance tests carry. */
const EXAMPLE = {
  specversion: "1.0",
  type: "com.example.someevent",
  time: "2018-04-05T03:56:24Z",
  id: "1234-1234-1234",
  source: "/mycontext/subcontext",
};
const DATA = '{\n    "message": "Hello World!"\n}';
const asHeaders = (attributes: Record<string, string>) =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));

test.each(["application/json", "application/json; charset=utf-8", "application/vnd.acme+json", undefined])(
  "binary mode, as the specification shows it, with content type %s",
  (type) => {
    const sent = { ...asHeaders(EXAMPLE), ...(type !== undefined && { "content-type": type }) };
    expect(eventOf(sent, DATA)).toEqual([{ ...EXAMPLE, data: { message: "Hello World!" } }]);
    expect(eventOf(sent, "")).toEqual([EXAMPLE]);
  },
);

test.each(["application/cloudevents+json", "Application/CloudEvents+JSON; charset=utf-8"])(
  "structured mode, as the specification shows it, with content type %s, ignores headers",
  (type) => {
    const event = { ...EXAMPLE, datacontenttype: "application/json", data: { message: "Hello World!" } };
    const sent = { "content-type": type, ...asHeaders({ ...EXAMPLE, id: "another" }) };
    expect(eventOf(sent, JSON.stringify(event))).toEqual([event]);
    const batch = { ...sent, "content-type": type.toLowerCase().replace("+json", "-batch+json") };
    expect(eventOf(batch, JSON.stringify([event, EXAMPLE]))).toEqual([event, EXAMPLE]);
  },
);

test("values of headers are unquoted, then percent-decoded once", () => {
  const idOf = (value: string) => eventOf({ ...asHeaders(EXAMPLE), "ce-id": value }, "{}")[0];
  for (const [value, id] of [
    ["Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u20ac \u{1f600}"],
    ["%e2%82%ac%41", "\u20acA"],
    ['"Euro"', "Euro"],
    ['"a \\"b\\" \\\\ %22c"', 'a "b" \\ "c'],
    ["%2520", "%20"],
    ['"', '"'],
    ['a"b"', 'a"b"'],
  ] as const)
    expect(idOf(value)).toMatchObject({ id });
  for (const value of ["%C0%A0", "%ff", "100%"])
    expect(refusalOf({ ...asHeaders(EXAMPLE), "ce-id": value }, "{}")).toBe("MALFORMED");
});

test("what is no JSON, or an event format of another kind, is refused by its type", () => {
  const sent = asHeaders(EXAMPLE);
  for (const type of ["text/csv", "application/cloudevents+avro", "application/cloudevents-batch+xml"])
    expect(refusalOf({ ...sent, "content-type": type }, "{}")).toBe("UNSUPPORTED_MEDIA_TYPE");
  expect(refusalOf(sent, "region,eu")).toBe("UNSUPPORTED_MEDIA_TYPE");
  expect(refusalOf({ ...sent, "content-type": "application/json" }, "region,eu")).toBe("MALFORMED");
});

test("data and its type are carried by the body alone", () => {
  const sent = { ...asHeaders({ ...EXAMPLE, data: "1", data_base64: "MQ==", datacontenttype: "text/csv" }) };
  expect(eventOf(sent, "")).toEqual([EXAMPLE]);
});
