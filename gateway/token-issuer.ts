import { randomUUID } from "node:crypto";
import { chmod, link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from "jose";
import { type Clock, systemClock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { type Identity, parseIdentity, type Role } from "#schema/policy.js";

export interface TokenRequest {
  readonly subject: string;
  readonly roles: readonly Role[];
  /** Binds the token to one tenant; absent: the whole platform. */
  readonly tenantId?: string;
  readonly expiresInSeconds: number;
}

export interface VerifiedToken {
  readonly identity: Identity;
  readonly expiresAtMs: number;
}

/** Metrly's own issuer of JSON Web Tokens (ES256), for people and admin tools; programs use API keys. */
export interface TokenIssuer {
  issue(request: TokenRequest): Promise<string>;
  /** Throws UNAUTHENTICATED for a token that is not ours, altered or expired. */
  verify(token: string): Promise<VerifiedToken>;
  /** The public half of the key, as `/.well-known/jwks.json` shows it. */
  readonly jwks: { readonly keys: readonly JWK[] };
  /** Where a PLATFORM_ADMIN token lies for the `metrly` command, readable by its owner only. */
  readonly adminTokenFile: string;
}

const ALGORITHM = "ES256";
const ISSUER = "metrly";
const DAY_SECONDS = 86_400;
const ADMIN_TOKEN_LIFETIME_SECONDS = 365 * DAY_SECONDS;
/** An admin token with less than this left is replaced at start. */
const ADMIN_TOKEN_RENEW_MS = 30 * DAY_SECONDS * 1000;

/** Opens the issuer of a data directory, creating its key and its admin token when they are missing or unusable. */
export async function createTokenIssuer(dataDir: string, clock: Clock = systemClock): Promise<TokenIssuer> {
  const key = await signingKey(path.join(dataDir, "keys"));
  const issuer = issuerWith(key, clock, path.join(dataDir, "admin-token"));
  await ensureAdminToken(issuer, clock);
  return issuer;
}

interface SigningKey {
  readonly id: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
}

function issuerWith(key: SigningKey, clock: Clock, adminTokenFile: string): TokenIssuer {
  return {
    jwks: { keys: [{ ...key.publicJwk, kid: key.id, alg: ALGORITHM, use: "sig" }] },
    adminTokenFile,
    issue({ subject, roles, tenantId, expiresInSeconds }) {
      if (tenantId !== undefined && roles.includes("PLATFORM_ADMIN"))
        throw new RangeError("a token of one tenant cannot carry PLATFORM_ADMIN");
      const nowSeconds = Math.floor(clock.now() / 1000);
      return new SignJWT({ roles, ...(tenantId !== undefined && { tenantId }) })
        .setProtectedHeader({ alg: ALGORITHM, kid: key.id })
        .setIssuer(ISSUER)
        .setAudience(ISSUER)
        .setSubject(subject)
        .setIssuedAt(nowSeconds)
        .setExpirationTime(nowSeconds + expiresInSeconds)
        .sign(key.privateKey);
    },
    async verify(token) {
      try {
        const { payload } = await jwtVerify(token, key.publicKey, {
          issuer: ISSUER,
          audience: ISSUER,
          algorithms: [ALGORITHM],
          requiredClaims: ["sub", "exp"],
          currentDate: new Date(clock.now()),
        });
        return { identity: identityOf(payload), expiresAtMs: (payload.exp ?? 0) * 1000 };
      } catch (error) {
        throw new MetrlyError(
          "UNAUTHENTICATED",
          `The token was refused: ${error instanceof Error ? error.message : error}`,
        );
      }
    },
  };
}

function identityOf(claims: Readonly<Record<string, unknown>>): Identity {
  return parseIdentity({
    kind: "USER",
    id: claims.sub,
    tenantId: claims.tenantId ?? null,
    roles: claims.roles,
    scopes: [],
  });
}

const StoredKey = Type.Object({
  kty: Type.Literal("EC"),
  crv: Type.Literal("P-256"),
  x: Type.String(),
  y: Type.String(),
  d: Type.String(),
});

/** Reads the key, or makes one; of two processes that start at once on one directory both use the same. */
async function signingKey(folder: string): Promise<SigningKey> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, "token-signing.jwk.json");
  const stored = (await readIfThere(file)) ?? (await storeNewKey(file));
  const jwk = parseKey(stored, file);
  const { d: _, ...publicJwk } = jwk;
  return {
    id: await calculateJwkThumbprint(publicJwk),
    privateKey: await importEcKey(jwk),
    publicKey: await importEcKey(publicJwk),
    publicJwk,
  };
}

function parseKey(text: string, file: string) {
  try {
    return Value.Parse(StoredKey, JSON.parse(text));
  } catch (cause) {
    throw new Error(`${file} is not a P-256 private key in JWK form; delete it to have a new one made`, { cause });
  }
}

async function importEcKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError("a P-256 key is never symmetric");
  return key;
}

async function storeNewKey(file: string): Promise<string> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const { kty, crv, x, y, d } = await exportJWK(privateKey);
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify({ kty, crv, x, y, d }), { mode: 0o600, flag: "wx" });
  try {
    // A hard link never replaces what is there: the first of two wins, whole.
    await link(temporary, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary);
  }
  return readFile(file, "utf8");
}

async function ensureAdminToken(issuer: TokenIssuer, clock: Clock): Promise<void> {
  const present = await readIfThere(issuer.adminTokenFile);
  if (present !== undefined && (await isGood(issuer, present.trim(), clock))) {
    await chmod(issuer.adminTokenFile, 0o600);
    return;
  }
  const token = await issuer.issue({
    subject: "admin",
    roles: ["PLATFORM_ADMIN"],
    expiresInSeconds: ADMIN_TOKEN_LIFETIME_SECONDS,
  });
  const temporary = `${issuer.adminTokenFile}.${randomUUID()}`;
  await writeFile(temporary, `${token}\n`, { mode: 0o600, flag: "wx" });
  await rename(temporary, issuer.adminTokenFile);
}

async function isGood(issuer: TokenIssuer, token: string, clock: Clock): Promise<boolean> {
  try {
    const { identity, expiresAtMs } = await issuer.verify(token);
    return identity.roles.includes("PLATFORM_ADMIN") && expiresAtMs - clock.now() > ADMIN_TOKEN_RENEW_MS;
  } catch (error) {
    if (error instanceof MetrlyError) return false;
    throw error;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
