import { hash } from "node:crypto";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { randomSecret } from "#platform/lifecycle/secret.js";
import { UnknownHere } from "#platform/tenancy-client/caught-up.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import { type Identity, rolesOfKey } from "#schema/policy.js";
import type { ApiKeyScope } from "#schema/vocabulary.js";

const KEY = /^mtr_(live|test)_([A-Za-z0-9_-]{32})([A-Za-z0-9_-]{6})$/;
const RANDOM_BYTES = 24;

export interface NewApiKey {
  /** Shown once, never stored. */
  readonly secret: string;
  /** SHA-256 of the secret, hex: the stored form. The secret has 192 random bits, so a slow hash would add nothing. */
  readonly hash: string;
  /** The part shown in lists and logs. */
  readonly prefix: string;
}

export function generateApiKey(test: boolean): NewApiKey {
  const head = `mtr_${test ? "test" : "live"}_`;
  const random = randomSecret(RANDOM_BYTES).toString("base64url");
  const secret = `${head}${random}${checksum(head + random)}`;
  return { secret, hash: hashApiKey(secret), prefix: secret.slice(0, head.length + 6) };
}

export function hashApiKey(secret: string): string {
  return hash("sha256", secret, "hex");
}

/** Whether a text has the form and checksum of a key: detects typos, and lets secret scanners work without a lookup. */
export function looksLikeApiKey(text: string): boolean {
  const match = KEY.exec(text);
  return match !== null && checksum(`mtr_${match[1]}_${match[2]}`) === match[3];
}

function checksum(text: string): string {
  return hash("sha256", `metrly-key:${text}`, "base64url").slice(0, 6);
}

/**
 * An Authorization header as a Bearer one: of Basic authentication, which browsers can show, the password, or the user name if
 * there is no password, is the token.
 */
export function asBearer(authorization: string | undefined): string | undefined {
  const basic = /^Basic\s+([\w+/=-]+)$/i.exec(authorization ?? "")?.[1];
  if (basic === undefined) return authorization;
  const [, name = "", password = ""] = /^([^:]*):?(.*)$/s.exec(Buffer.from(basic, "base64").toString("utf8")) ?? [];
  return `Bearer ${password === "" ? name : password}`;
}

/** The bearer token of an Authorization header. Throws UNAUTHENTICATED when there is none. */
export function bearerToken(authorization: string | undefined): string {
  const match = /^Bearer\s+(\S+)$/i.exec(authorization ?? "");
  if (match?.[1] === undefined) throw new MetrlyError("UNAUTHENTICATED", "Send `Authorization: Bearer <key>`");
  return match[1];
}

/**
 * Finds the key in the copy of tenancy. Throws UNAUTHENTICATED for an unknown, expired or revoked key: `UnknownHere` for a
 * well-formed one that the copy may not have yet.
 */
export function authenticateApiKey(tenancy: TenancyCopy, clock: Clock, secret: string): ApiKeyState {
  if (!looksLikeApiKey(secret)) throw new MetrlyError("UNAUTHENTICATED", isToken(secret) ? TOKEN : UNKNOWN_KEY);
  return usableKey(tenancy.apiKeyByHash(hashApiKey(secret)), tenancy, clock);
}

const UNKNOWN_KEY = "This API key is unknown";
const TOKEN = "This is a token, which the graph takes: send an API key (mtr_…) here";

/** A JWT: its header is base64url of a JSON object. */
const isToken = (secret: string): boolean => /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(secret);

function usableKey(key: ApiKeyState | undefined, tenancy: TenancyCopy, clock: Clock): ApiKeyState {
  if (key === undefined) throw new UnknownHere("UNAUTHENTICATED", UNKNOWN_KEY);
  // Not by its time: the clock of this process may be behind that of the one that revoked it.
  if (key.revokedAt !== null) throw new MetrlyError("UNAUTHENTICATED", "This API key is revoked");
  if (key.expiresAt !== null && key.expiresAt <= clock.now())
    throw new MetrlyError("UNAUTHENTICATED", "This API key is expired");
  tenancy.noteKeyUse(key.id);
  return key;
}

const REMEMBERED = 1_000;

/**
 * Authenticates `Authorization` headers, with a cache of hashes of known keys: hashing costs more than the rest of the lookup.
 * Scopes and revocation are looked up each time. Throws as `bearerToken` and `authenticateApiKey` do.
 */
export function createKeyAuthenticator(
  tenancy: TenancyCopy,
  clock: Clock,
): (authorization: string | undefined) => ApiKeyState {
  const hashes = new Map<string, string>();
  return (authorization) => {
    const known = hashes.get(authorization ?? "");
    if (known !== undefined) return usableKey(tenancy.apiKeyByHash(known), tenancy, clock);
    const secret = bearerToken(authorization);
    const key = authenticateApiKey(tenancy, clock, secret);
    if (hashes.size >= REMEMBERED) hashes.clear();
    hashes.set(authorization ?? "", key.hash);
    return key;
  };
}

/**
 * Judges keys from addresses over the limit of wrong ones, by what this process knows: such addresses must not have the log read,
 * nor take the places of those who wait for a read. A mutation that issues a key is answered when every process knows it.
 */
export function createKeyJudge(tenancy: TenancyCopy, clock: Clock): (authorization: string) => Promise<unknown> {
  return async (authorization) => authenticateApiKey(tenancy, clock, bearerToken(authorization));
}

/** Throws FORBIDDEN unless the key carries the scope. */
export function requireScope(key: ApiKeyState, scope: ApiKeyScope): void {
  if (!key.scopes.includes(scope)) throw new MetrlyError("FORBIDDEN", `This API key lacks the scope ${scope}`);
}

export function identityOfKey({ id, tenantId, scopes }: ApiKeyState): Identity {
  return { kind: "API_KEY", id, tenantId, roles: rolesOfKey(tenantId, scopes), scopes };
}
