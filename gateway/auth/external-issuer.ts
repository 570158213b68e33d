import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from "jose";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError, messageOf } from "#kernel/errors.js";
import { isClientId } from "#kernel/ids.js";
import { monotonicMs, timeoutSignal } from "#platform/lifecycle/time.js";
import type { OidcConfig } from "#platform/process/config.js";
import type { Identity } from "#schema/policy.js";
import type { Role } from "#schema/vocabulary.js";
import { fetchDocument } from "./provider-documents.js";
import { assertUnexpired, type VerifiedToken } from "./token-issuer.js";

/** Tokens of an OpenID Connect provider, with claims mapped to roles by configuration. */
export interface ExternalIssuer {
  /** Exactly as in the tokens. */
  readonly issuer: string;
  /**
   * Throws UNAUTHENTICATED for a token that is invalid, expired, for another audience or without a role; UNAVAILABLE
   * while the provider's keys cannot be fetched.
   */
  verify(token: string): Promise<VerifiedToken>;
}

/** Asymmetric signatures only, whatever algorithm a token's header names. */
const ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"];
const CLOCK_TOLERANCE_SECONDS = 30;
const TIMEOUT_MS = 5_000;
/** How long keys count while the provider does not answer. */
const KEYS_MAX_AGE_MS = 600_000;
/** How old keys are when they are fetched again, so that a withdrawn key is noticed: a small document, per process. */
const REFRESH_MS = 30_000;
/** The minimum interval between fetches for an unknown key, or after a failure. */
const COOLDOWN_MS = 30_000;

type RemoteKeys = ReturnType<typeof createRemoteJWKSet>;

export interface ExternalIssuerOptions {
  readonly config: OidcConfig;
  readonly clock: Clock;
  readonly cooldownMs?: number;
  readonly refreshMs?: number;
  readonly keysMaxAgeMs?: number;
}

export function createExternalIssuer({
  config,
  clock,
  cooldownMs = COOLDOWN_MS,
  refreshMs = REFRESH_MS,
  keysMaxAgeMs = KEYS_MAX_AGE_MS,
}: ExternalIssuerOptions): ExternalIssuer {
  let keys: RemoteKeys | undefined;
  let discovering: Promise<RemoteKeys> | undefined;
  let refreshing: Promise<void> | undefined;
  let refreshedAt = Number.NEGATIVE_INFINITY;
  let isAway = false;
  let failedAt = Number.NEGATIVE_INFINITY;

  /** The provider's keys, refreshed; while it does not answer, as last fetched, and nobody waits for it twice. */
  async function currentKeys(): Promise<RemoteKeys> {
    const found = await findKeys();
    if (refreshing === undefined && monotonicMs() - refreshedAt >= refreshMs) refreshing = refresh(found);
    if (!isAway) await refreshing;
    return found;
  }

  async function refresh(found: RemoteKeys): Promise<void> {
    refreshedAt = monotonicMs();
    isAway = await found.reload().then(
      () => false,
      () => true,
    );
    refreshing = undefined;
  }

  /** Discovers the JWKS URL once; after a failure it waits for the cooldown. */
  async function findKeys(): Promise<RemoteKeys> {
    if (keys !== undefined) return keys;
    if (monotonicMs() - failedAt < cooldownMs) throw unavailable("it failed a moment ago");
    discovering ??= discover(config.issuer)
      .then((url) => {
        keys = createRemoteJWKSet(url, {
          timeoutDuration: TIMEOUT_MS,
          cooldownDuration: cooldownMs,
          cacheMaxAge: keysMaxAgeMs,
          [customFetch]: fetchDocument,
        });
        return keys;
      })
      .catch((error: unknown) => {
        failedAt = monotonicMs();
        throw unavailable(messageOf(error));
      })
      .finally(() => {
        discovering = undefined;
      });
    return discovering;
  }

  return {
    issuer: config.issuer,
    async verify(token) {
      const found = await currentKeys();
      const { payload, protectedHeader } = await jwtVerify(token, found, {
        ...{ issuer: config.issuer, audience: config.audience, algorithms: ALGORITHMS },
        ...{
          requiredClaims: ["sub", "exp"],
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          currentDate: new Date(clock.now()),
        },
      }).catch((error: unknown) => {
        throw isRefusal(error) ? refused(messageOf(error)) : unavailable(messageOf(error));
      });
      const expiresAtMs = (payload.exp ?? 0) * 1_000;
      return {
        identity: identityOf(payload, config),
        /** While the provider does not answer, its keys as last fetched count. */
        async assertValid() {
          assertUnexpired(clock, expiresAtMs);
          try {
            await (await currentKeys())(protectedHeader, { payload: "", signature: "" });
          } catch (error) {
            if (isRefusal(error)) throw refused(messageOf(error));
          }
        },
      };
    },
  };
}

/** Reads the JWKS URL from the provider's discovery document. */
async function discover(issuer: string): Promise<URL> {
  const response = await fetchDocument(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {
    ...{ redirect: "error", signal: timeoutSignal(TIMEOUT_MS), headers: { accept: "application/json" } },
  });
  if (!response.ok) throw new Error(`its discovery document has status ${response.status}`);
  const document: unknown = await response.json();
  const { issuer: named, jwks_uri: uri } = (document ?? {}) as Record<string, unknown>;
  if (named !== issuer) throw new Error(`its discovery document names the issuer ${JSON.stringify(named)}`);
  if (typeof uri !== "string" || !/^https?:$/.test(new URL(uri).protocol))
    throw new Error("its discovery document has no `jwks_uri`");
  return new URL(uri);
}

/** Errors caused by the token itself; all others are failures to fetch keys. */
const isRefusal = (error: unknown): boolean =>
  error instanceof errors.JWTClaimValidationFailed ||
  error instanceof errors.JWTExpired ||
  error instanceof errors.JWTInvalid ||
  error instanceof errors.JWSInvalid ||
  error instanceof errors.JWSSignatureVerificationFailed ||
  error instanceof errors.JOSEAlgNotAllowed ||
  error instanceof errors.JOSENotSupported ||
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys;

/**
 * A role for all tenants makes a platform identity and discards tenant roles; tenant roles apply to the token's tenant,
 * and are refused without one.
 */
function identityOf(claims: JWTPayload, { roles, rolesClaim, tenantClaim }: OidcConfig): Identity {
  const values = claimOf(claims, rolesClaim);
  const held: readonly unknown[] = Array.isArray(values) ? values : typeof values === "string" ? values.split(" ") : [];
  const matched = roles.filter(({ value }) => held.includes(value));
  const identity = (tenantId: string | null, of: readonly { readonly role: Role }[]): Identity => ({
    ...{ kind: "USER", id: `oidc:${claims.sub}`, tenantId, scopes: [] },
    roles: [...new Set(of.map(({ role }) => role))],
  });
  const everywhere = matched.filter((mapping) => mapping.everywhere);
  if (everywhere.length > 0) return identity(null, everywhere);
  if (matched.length === 0) throw refused(`no value of its claim ${rolesClaim} is mapped to a role`);
  const tenantId = claimOf(claims, tenantClaim);
  if (typeof tenantId !== "string" || !isClientId(tenantId)) throw refused(`its claim ${tenantClaim} names no tenant`);
  return identity(tenantId, matched);
}

/** A claim by name or by path: providers nest them (`realm_access.roles`). */
function claimOf(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let at: unknown = claims;
  for (const part of path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}

const refused = (why: string): MetrlyError => new MetrlyError("UNAUTHENTICATED", `The token was refused: ${why}`);
const unavailable = (why: string): MetrlyError =>
  new MetrlyError("UNAVAILABLE", `Tokens of the identity provider cannot be verified now: ${why}`);
