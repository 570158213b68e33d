import fc from "fast-check";
import { DECIMALS, NO_JSON, NO_UTF8, NUMBERS, ODD_JSON, STRINGS, TIMES } from "./inputs.js";
import type { Sent } from "./requests.js";

export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...STRINGS) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 300 }) },
);
export const anyNumber: fc.Arbitrary<number> = fc.oneof(fc.constantFrom(...NUMBERS), fc.double({ noNaN: true }));
const scalar: fc.Arbitrary<unknown> = fc.oneof(
  ...[anyText, anyNumber, fc.constantFrom(...DECIMALS, ...TIMES), fc.boolean(), fc.constant(null)],
);
/** Any JSON value, with names that programs stumble over. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { weight: 4, arbitrary: scalar },
    { weight: 1, arbitrary: fc.array(tie("value"), { maxLength: 3 }) },
    { weight: 1, arbitrary: objectOf(fc.array(fc.tuple(anyText, tie("value")), { maxLength: 3 })) },
  ),
})).value;

/** Mostly nothing. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 11, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

/** An object with own members of any name, `__proto__` included. */
function objectOf(entries: fc.Arbitrary<readonly (readonly [string, unknown])[]>): fc.Arbitrary<unknown> {
  return entries.map((pairs) => Object.fromEntries(pairs));
}

/** `usual`, and sometimes another value, or none. */
const mostly = (usual: fc.Arbitrary<unknown>, rarely: fc.Arbitrary<unknown> = anyJson): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 14, arbitrary: usual },
    { weight: 1, arbitrary: rarely },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );

/** An object with these members, most of them as they should be, and sometimes another member. */
export function nearly(members: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<unknown> {
  const usual = fc.record(Object.fromEntries(Object.entries(members).map(([name, usual]) => [name, mostly(usual)])));
  return fc
    .tuple(usual, seldom(fc.tuple(anyText, anyJson)))
    .map(([object, extra]) => (extra === undefined ? object : Object.fromEntries([...Object.entries(object), extra])));
}

const id = fc.oneof(anyText, fc.uuid());

/** A usage event, well-formed in most members. */
export const nearlyEvent: fc.Arbitrary<unknown> = nearly({
  specversion: fc.constant("1.0"),
  id,
  source: fc.oneof(fc.constant("fuzz"), anyText),
  type: fc.constantFrom("call", "units", "other", "metrly.tick"),
  time: fc.oneof(fc.constant(new Date().toISOString()), fc.constantFrom(...TIMES)),
  subject: fc.constantFrom("attacker", "neighbour", "nobody"),
  datacontenttype: fc.constantFrom("application/json", "text/plain", "application/x+json; charset=x"),
  dataschema: anyText,
  data: fc.oneof(nearly({ n: fc.oneof(fc.constantFrom(...DECIMALS), anyNumber), region: anyText }), anyJson),
});

const decision = {
  operation: fc.constantFrom("check", "consume", "release", "toString"),
  idempotencyKey: id,
  ttlSeconds: anyNumber,
  tenantId: fc.constantFrom("attacker", "neighbour", "nobody"),
  dimensions: fc.oneof(objectOf(fc.array(fc.tuple(anyText, anyText), { maxLength: 3 })), anyJson),
};
const quantity = {
  meter: fc.constantFrom("calls", "units", "nothing", "constructor"),
  amount: fc.oneof(fc.constantFrom(...DECIMALS), anyNumber),
};

/** A request for a decision. */
export const nearlyQuotaRequest: fc.Arbitrary<unknown> = fc.oneof(
  nearly({ ...decision, ...quantity }),
  nearly({ ...decision, usage: fc.array(nearly(quantity), { maxLength: 3 }) }),
);

/** The body as JSON; sometimes damaged, or of another kind altogether. */
export function nearlyJson(value: fc.Arbitrary<unknown>): fc.Arbitrary<string | Buffer> {
  const text = value.map((one) => JSON.stringify(one) ?? "");
  return fc.oneof(
    { weight: 12, arbitrary: text },
    { weight: 2, arbitrary: fc.constantFrom<string | Buffer>(...NO_JSON, ...ODD_JSON, ...NO_UTF8) },
    { weight: 1, arbitrary: damaged(text) },
  );
}

/** With some bytes replaced, or the end missing. */
function damaged(text: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  const damage = fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255), fc.boolean());
  return fc.tuple(text, damage).map(([whole, [where, byte, isCut]]) => {
    const bytes = Buffer.from(whole);
    const at = Math.floor(where * bytes.length);
    if (isCut) return bytes.subarray(0, at);
    if (bytes.length > 0) bytes[at] = byte;
    return bytes;
  });
}

/** Text that can stand in a header. */
const headerText = anyText.map((text) => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, "").slice(0, 2_000));
const CONTENT_TYPES = [
  "application/cloudevents+json",
  "application/cloudevents-batch+json",
  "",
  ";",
  "application/json; charset=latin1",
  'application/JSON;charset="utf-8"',
  "text/plain",
  "multipart/form-data",
  "application/json, text/plain",
];
const CODINGS = ["identity", "gzip", "GZIP", "x-gzip", "br", "gzip, gzip", "deflate", "zstd", ""];

/** A `POST` with a body, its content type and its coding mostly fitting. */
export function nearlyPost(path: string, key: string, body: fc.Arbitrary<string | Buffer>): fc.Arbitrary<Sent> {
  return fc
    .record({
      body,
      type: fc.oneof(
        { weight: 12, arbitrary: fc.constant("application/json") },
        { weight: 1, arbitrary: fc.constantFrom(...CONTENT_TYPES) },
      ),
      coding: seldom(fc.constantFrom(...CODINGS)),
      query: seldom(anyText),
      attributes: seldom(
        fc.array(
          fc.tuple(
            fc.constantFrom("ce-id", "ce-type", "ce-source", "ce-specversion", "ce-time", "ce-data", "ce-__proto__"),
            headerText,
          ),
        ),
      ),
    })
    .map(({ body, type, coding, query, attributes }) => ({
      method: "POST",
      path: query === undefined ? path : `${path}?${encodeURIComponent(query.replaceAll(/\p{Surrogate}/gu, ""))}`,
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": type,
        ...(coding !== undefined && { "content-encoding": coding }),
        ...Object.fromEntries(attributes ?? []),
      },
      body,
    }));
}

/** Paths of every service, and what stands near them. */
const PATHS = [
  ...[
    "/",
    "/graphql",
    "/v1/events",
    "/api/v1/events",
    "/v1/quota/check",
    "/v1/quota/denial",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/docs",
  ],
  ...[
    "/.well-known/jwks.json",
    "/explorer/operations.json",
    "/explorer/session",
    "/openapi.json",
    "/docs/swagger-ui.css",
    "/internal/ledger",
    "/internal/republish",
    "/queues",
    "/subgraph/billing",
  ],
  ...[
    "/v1/events/",
    "//",
    "/../v1/events",
    "/%",
    "/%00",
    "/%ff",
    "/v1//events",
    "/v1/%65vents",
    "/;",
    "/*",
    "/explorer/../../package.json",
    "/explorer/%2e%2e%2fpackage.json",
  ],
];
const PARAMETERS = [
  "source",
  "id",
  "tenantId",
  "idempotencyKey",
  "import",
  "query",
  "variables",
  "extensions",
  "operationName",
  "partition",
  "from",
  "denyStatus",
  "__proto__",
];

/** Any method on any path with any parameters. */
export function anyRequest(key: string): fc.Arbitrary<Sent> {
  const parameters = fc.array(
    fc.tuple(
      fc.constantFrom(...PARAMETERS),
      fc.oneof(anyText, fc.constantFrom(...TIMES, ...DECIMALS)).map((text) => text.slice(0, 1_000)),
    ),
    { maxLength: 4 },
  );
  return fc
    .record({
      method: fc.constantFrom("GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"),
      path: fc.constantFrom(...PATHS),
      parameters,
      raw: seldom(fc.constantFrom("?", "?%", "?a=%ff", "?id=%00", "?id[]=1", "?id=1&id=2", "#x")),
      authorization: fc.oneof(
        { weight: 4, arbitrary: fc.constant(`Bearer ${key}`) },
        { weight: 1, arbitrary: headerText },
      ),
      headers: fc.array(
        fc.tuple(
          fc.constantFrom(
            "host",
            "accept",
            "x-forwarded-for",
            "if-none-match",
            "range",
            "expect",
            "traceparent",
            "apollo-require-preflight",
            "accept-encoding",
            "origin",
          ),
          headerText,
        ),
        { maxLength: 3 },
      ),
    })
    .map(({ method, path, parameters, raw, authorization, headers }) => ({
      method,
      path: raw === undefined ? `${path}?${new URLSearchParams(parameters)}` : path + raw,
      headers: { ...Object.fromEntries(headers), authorization },
      body: method === "POST" || method === "PUT" ? "{}" : "",
    }));
}
