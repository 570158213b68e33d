import { chmod, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { decodeJwt, errors, type JWK, type JWTHeaderParameters, jwtVerify, SignJWT } from "jose";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError, messageOf } from "#kernel/errors.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { momentNow, msSince } from "#platform/lifecycle/time.js";
import { systemClock } from "#platform/process/clock.js";
import { type Identity, parseIdentity } from "#schema/policy.js";
import type { Role } from "#schema/vocabulary.js";
import { type KeyRing, openKeyRing, readIfThere, SIGNING_ALGORITHM, VIEW_MS } from "./signing-key.js";

export interface TokenRequest {
  readonly subject: string;
  readonly roles: readonly Role[];
  /** Binds the token to one tenant; absent: the whole platform. */
  readonly tenantId?: string;
  readonly expiresInSeconds: number;
}

export interface VerifiedToken {
  readonly identity: Identity;
  /** Throws UNAUTHENTICATED once the token has expired or its key is revoked. */
  assertValid(): Promise<void>;
}

/** Metrly's own issuer of JSON Web Tokens (ES256), for people and admin tools; programs use API keys. */
export interface TokenIssuer {
  issue(request: TokenRequest): Promise<string>;
  /** Throws UNAUTHENTICATED for a token that is not ours, altered or expired, UNAVAILABLE while the keys cannot be read. */
  verify(token: string): Promise<VerifiedToken>;
  /** Awaits `onRevoked` soon after a key was revoked, by any process on the same folder. */
  watch(onRevoked: () => Promise<void>, onError: (error: unknown) => void): RevocationWatch;
  /** The public keys, as `/.well-known/jwks.json` shows them. */
  jwks(): Promise<{ readonly keys: readonly JWK[] }>;
  /** The file with a PLATFORM_ADMIN token for the `metrly` command, readable only by its owner. */
  readonly adminTokenFile: string;
}

export interface RevocationWatch {
  /** Whether `onRevoked` is done for every revocation that was answered. */
  isCurrent(): boolean;
  stop(): Promise<void>;
}

const ISSUER = "metrly";
const WATCH_MS = 300;
const DAY_SECONDS = 86_400;
const ADMIN_TOKEN_LIFETIME_SECONDS = 365 * DAY_SECONDS;
/** An admin token with less validity left is replaced at start. */
const ADMIN_TOKEN_RENEW_MS = 30 * DAY_SECONDS * 1000;

/** Opens the issuer of a data directory; creates its key and admin token when missing or unusable. */
export async function createTokenIssuer(dataDir: string, clock: Clock = systemClock): Promise<TokenIssuer> {
  const keys = await openKeyRing(keyFolder(dataDir));
  const issuer = issuerWith(keys, clock, path.join(dataDir, "admin-token"));
  await ensureAdminToken(issuer, clock);
  return issuer;
}

export const keyFolder = (dataDir: string): string => path.join(dataDir, "keys");

function issuerWith(keys: KeyRing, clock: Clock, adminTokenFile: string): TokenIssuer {
  const keyOf = async ({ kid }: JWTHeaderParameters) => {
    const key = await keys.find(kid);
    if (key === undefined) throw refused("it is signed with an unknown or revoked key");
    return key.publicKey;
  };
  return {
    async jwks() {
      const all = await keys.all();
      return { keys: all.map(({ id, publicJwk }) => ({ ...publicJwk, kid: id, alg: SIGNING_ALGORITHM, use: "sig" })) };
    },
    adminTokenFile,
    async issue({ subject, roles, tenantId, expiresInSeconds }) {
      if (tenantId !== undefined && roles.includes("PLATFORM_ADMIN"))
        throw new RangeError("a tenant's token cannot carry PLATFORM_ADMIN");
      const nowSeconds = Math.floor(clock.now() / 1000);
      const key = await keys.current();
      return new SignJWT({ roles, ...(tenantId !== undefined && { tenantId }) })
        .setProtectedHeader({ alg: SIGNING_ALGORITHM, kid: key.id })
        .setIssuer(ISSUER)
        .setAudience(ISSUER)
        .setSubject(subject)
        .setIssuedAt(nowSeconds)
        .setExpirationTime(nowSeconds + expiresInSeconds)
        .sign(key.privateKey);
    },
    watch(onRevoked, onError) {
      let known: ReadonlySet<string> = new Set();
      let doneFor = momentNow();
      const watching = repeat({
        everyMs: WATCH_MS,
        unref: true,
        onError,
        async run() {
          const startedAt = momentNow();
          const ids = new Set((await keys.read()).map(({ id }) => id));
          if ([...known].some((id) => !ids.has(id))) await onRevoked();
          known = ids;
          doneFor = startedAt;
        },
      });
      return { isCurrent: () => msSince(doneFor) <= VIEW_MS, stop: watching.stop };
    },
    async verify(token) {
      try {
        const { payload, protectedHeader } = await jwtVerify(token, keyOf, {
          issuer: ISSUER,
          audience: ISSUER,
          algorithms: [SIGNING_ALGORITHM],
          requiredClaims: ["sub", "exp"],
          currentDate: new Date(clock.now()),
        });
        const { sub: id, tenantId = null, roles } = payload;
        const expiresAtMs = (payload.exp ?? 0) * 1000;
        return {
          identity: parseIdentity({ kind: "USER", id, tenantId, roles, scopes: [] }),
          async assertValid() {
            assertUnexpired(clock, expiresAtMs);
            await keyOf(protectedHeader);
          },
        };
      } catch (error) {
        if (error instanceof MetrlyError) throw error;
        if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid)
          throw new MetrlyError("UNAUTHENTICATED", "This is neither an API key (mtr_…) nor a token");
        throw refused(messageOf(error));
      }
    },
  };
}

const refused = (why: string): MetrlyError => new MetrlyError("UNAUTHENTICATED", `The token was refused: ${why}`);

/** Throws UNAUTHENTICATED from the token's end on. */
export function assertUnexpired(clock: Clock, expiresAtMs: number): void {
  if (clock.now() >= expiresAtMs) throw new MetrlyError("UNAUTHENTICATED", "The token is expired");
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
  const temporary = `${issuer.adminTokenFile}.${newUuid()}`;
  await writeFile(temporary, `${token}\n`, { mode: 0o600, flag: "wx" });
  await rename(temporary, issuer.adminTokenFile);
}

async function isGood(issuer: TokenIssuer, token: string, clock: Clock): Promise<boolean> {
  try {
    const { identity } = await issuer.verify(token);
    const expiresAtMs = (decodeJwt(token).exp ?? 0) * 1000;
    return identity.roles.includes("PLATFORM_ADMIN") && expiresAtMs - clock.now() > ADMIN_TOKEN_RENEW_MS;
  } catch (error) {
    if (error instanceof MetrlyError && error.code === "UNAUTHENTICATED") return false;
    throw error;
  }
}
