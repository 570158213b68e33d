import { createHmac, createSign, generateKeyPairSync } from "node:crypto";

const encoded = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A name, and a token that must be refused. */
export type ForgedToken = readonly [string, string];

/**
 * Tokens that a good one and the public keys can be forged into: each is a known mistake of verifiers (RFC 8725, and the
 * advisories behind it).
 */
export function forgedTokens(good: string, jwks: { readonly keys: readonly object[] }): readonly ForgedToken[] {
  const [head = "", payload = "", signature = ""] = good.split(".");
  const header: Record<string, unknown> = JSON.parse(Buffer.from(head, "base64url").toString());
  const claims: Record<string, unknown> = JSON.parse(Buffer.from(payload, "base64url").toString());
  const [publicKey] = jwks.keys;
  const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const withHeader = (change: object) => `${encoded({ ...header, ...change })}.${payload}`;
  const byOwnKey = (text: string) =>
    `${text}.${createSign("sha256").update(text).sign({ key: own.privateKey, dsaEncoding: "ieee-p1363" }, "base64url")}`;
  const byHmac = (text: string, secret: string) =>
    `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  const withClaims = (change: object | string) =>
    `${head}.${encoded(typeof change === "string" ? change : { ...claims, ...change })}.${signature}`;
  return [
    ...["none", "None", "nOnE", ""].map((alg): ForgedToken => [`alg ${alg}`, `${withHeader({ alg })}.`]),
    ["alg none with a signature", `${withHeader({ alg: "none" })}.${signature}`],
    ["no alg", `${encoded({ kid: header.kid })}.${payload}.${signature}`],
    ["alg as a list", `${withHeader({ alg: ["ES256"] })}.${signature}`],
    ["a public key as the secret", byHmac(withHeader({ alg: "HS256" }), JSON.stringify(publicKey))],
    ["an empty secret", byHmac(withHeader({ alg: "HS256" }), "")],
    ["its own key in the header", byOwnKey(withHeader({ jwk: own.publicKey.export({ format: "jwk" }) }))],
    ["its own key behind a URL", byOwnKey(withHeader({ jku: "http://127.0.0.1:1/keys" }))],
    ["its own key under the right id", byOwnKey(`${head}.${payload}`)],
    ...["../../../dev/null", "__proto__", "constructor", "' OR 1=1--", ""].map(
      (kid): ForgedToken => [`the key id ${kid}`, byOwnKey(withHeader({ kid }))],
    ),
    ["a key id that is an object", byOwnKey(withHeader({ kid: {} }))],
    ["an extension that must be understood", `${withHeader({ crit: ["exp"], exp: 1 })}.${signature}`],
    ["a payload that is not encoded", `${withHeader({ crit: ["b64"], b64: false })}.${signature}`],
    ["a signature of zeros", `${head}.${payload}.${Buffer.alloc(64).toString("base64url")}`],
    ["a short signature", `${head}.${payload}.${signature.slice(0, 40)}`],
    ["a long signature", `${head}.${payload}.${signature}${signature}`],
    ["no signature", `${head}.${payload}.`],
    ["two parts", `${head}.${payload}`],
    ["five parts", `${good}.a.b`],
    ["another tenant", withClaims({ tenant: "neighbour" })],
    ["a role twice", withClaims(`{"roles":["TENANT_VIEWER"],"roles":["PLATFORM_ADMIN"],"exp":9999999999}`)],
    ["an end that is no number", withClaims({ exp: "9999999999" })],
    ["an end beyond all numbers", withClaims('{"exp":1e999}')],
    ["a payload that is no object", withClaims("[]")],
    ["a payload that is no JSON", withClaims("{")],
    ["very long parts", `${encoded("a".repeat(3_000))}.${encoded("a".repeat(3_000))}.${encoded("a".repeat(3_000))}`],
  ];
}
