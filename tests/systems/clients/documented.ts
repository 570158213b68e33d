import { gzipSync } from "node:zlib";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { parseRfc3339 } from "#kernel/rfc3339.js";

/** A JSON Schema, or whatever else stands in the document. */
type Json = Readonly<Record<string, unknown>>;

export interface Operation {
  readonly method: "get" | "post";
  readonly path: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Json }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>;
}

interface Content {
  readonly schema: Json;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

/** Every operation of the document, as a client reads it: after JSON. */
export function operationsOf(document: object): readonly Operation[] {
  const { paths } = JSON.parse(JSON.stringify(document));
  return Object.entries<Json>(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, ...(operation as object) }) as Operation),
  );
}

export interface Sent {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: string;
  readonly body?: string | Buffer;
}

/** Sends a request of an operation. */
export function send(url: string, key: string, { method, path }: Operation, sent: Sent): Promise<Response> {
  const headers = { ...sent.headers, authorization: `Bearer ${key}` };
  return fetch(`${url}${path}${sent.query}`, {
    method: method.toUpperCase(),
    headers,
    ...(sent.body !== undefined && { body: sent.body }),
  });
}

/** Returns what a response has that the document does not say; undefined: nothing. */
export function createChecker(document: object) {
  const ajv = new Ajv2020({ strict: false, formats: { "date-time": (text) => parseRfc3339(text) !== undefined } });
  ajv.addSchema(JSON.parse(JSON.stringify(document)), "document");
  const pointer = (names: readonly string[]) =>
    names.map((name) => `/${encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"))}`).join("");
  const isValid = (names: readonly string[], value: unknown): string | undefined => {
    const validate = ajv.getSchema(`document#${pointer(names)}`);
    if (validate === undefined) throw new Error(`no schema at ${names.join(" ")}`);
    return validate(value) ? undefined : `${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`;
  };
  return {
    /** Of a value at a place of the document. */
    value: isValid,
    async response({ method, path, responses }: Operation, response: Response): Promise<string | undefined> {
      const documented = responses[response.status];
      const text = await response.text();
      if (documented === undefined) return `${response.status} is not documented: ${text}`;
      if (documented.content === undefined) return text === "" ? undefined : `a body that is not documented: ${text}`;
      const [type = ""] = (response.headers.get("content-type") ?? "").split(";");
      if (documented.content[type] === undefined) return `${response.status} with ${type} is not documented: ${text}`;
      const place = ["paths", path, method, "responses", String(response.status), "content", type, "schema"];
      return isValid(place, JSON.parse(text));
    },
  };
}

/** Values that make some of the random requests meaningful, by the name of the member. */
export type Hints = Readonly<Record<string, readonly unknown[]>>;

/** Random requests of an operation, from its schemas. */
export function anyRequest(document: object, operation: Operation, hints: Hints): fc.Arbitrary<Sent> {
  const whole = JSON.parse(JSON.stringify(document));
  const values = fc.tuple(
    ...(operation.parameters ?? []).map(({ name, in: place, schema }) =>
      fc.option(anyOf(schema, whole, hints, name)).map((value) => ({ name, place, value })),
    ),
  );
  const content = Object.entries(operation.requestBody?.content ?? {});
  const body: fc.Arbitrary<readonly [string, unknown] | undefined> =
    content.length === 0
      ? fc.constant(undefined)
      : fc.oneof(...content.map(([type, { schema }]) => fc.tuple(fc.constant(type), anyOf(schema, whole, hints))));
  return fc.tuple(values, body).map(([given, content]) => {
    const headers: Record<string, string> = {};
    const query = new URLSearchParams();
    for (const { name, place, value } of given) {
      if (value === null) continue;
      if (place === "header") headers[name] = encodeURIComponent(String(value));
      else query.set(name, String(value));
    }
    const text = content === undefined ? undefined : JSON.stringify(content[1]);
    return {
      headers: { ...headers, ...(content !== undefined && { "content-type": content[0] }) },
      query: `?${query}`,
      ...(text !== undefined && { body: headers["Content-Encoding"] === "gzip" ? gzipSync(text) : text }),
    };
  });
}

/** Values of a schema of the document, as far as its keywords are used there. Well-formed Unicode only: JSON is sent as UTF-8. */
function anyOf(schema: Json, whole: Json, hints: Hints, name = ""): fc.Arbitrary<unknown> {
  const inner = (one: unknown, as = name) => anyOf(one as Json, whole, hints, as);
  const hinted = hints[name];
  if (hinted !== undefined && schema.const === undefined && schema.enum === undefined)
    return fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...hinted) },
      anyOf(schema, whole, { ...hints, [name]: undefined } as Hints, name),
    );
  if (typeof schema.$ref === "string") return inner(resolve(whole, schema.$ref));
  if (Array.isArray(schema.allOf))
    return inner(schema.allOf.map((one) => (one.$ref ? resolve(whole, one.$ref) : one)).reduce(merged));
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(alternatives)) return fc.oneof(...alternatives.map((one) => inner(one)));
  if ("const" in schema) return fc.constant(schema.const);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  if (Array.isArray(schema.type)) return fc.oneof(...schema.type.map((type) => inner({ ...schema, type })));
  switch (schema.type) {
    case "string":
      return schema.format === "date-time"
        ? fc
            .date({ noInvalidDate: true, min: new Date(0), max: new Date("2100-01-01") })
            .map((date) => date.toISOString())
        : fc.string({ unit: "grapheme", minLength: Number(schema.minLength ?? 0), maxLength: 12 });
    case "integer":
      return fc.integer({ min: Number(schema.minimum ?? -9), max: Number(schema.maximum ?? 9) });
    case "number":
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(inner(schema.items), { minLength: Number(schema.minItems ?? 0), maxLength: 3 });
    case "object": {
      const required = new Set(schema.required as readonly string[] | undefined);
      const members = Object.entries((schema.properties ?? {}) as Json);
      const arbitraries = members.map(([key, one]) =>
        required.has(key) ? inner(one, key) : fc.option(inner(one, key), { nil: ABSENT }),
      );
      return fc
        .tuple(...arbitraries)
        .map((all) =>
          Object.fromEntries(all.flatMap((value, at) => (value === ABSENT ? [] : [[members[at]?.[0], value]]))),
        );
    }
    default:
      return fc.jsonValue();
  }
}

const ABSENT = Symbol("absent");

const resolve = (whole: Json, ref: string): Json =>
  ref
    .slice(2)
    .split("/")
    .reduce<Json>((at, name) => at[name] as Json, whole);

const merged = (a: Json, b: Json): Json => ({
  ...a,
  ...b,
  properties: { ...(a.properties as Json), ...(b.properties as Json) },
  required: [...((a.required ?? []) as string[]), ...((b.required ?? []) as string[])],
});
