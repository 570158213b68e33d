import { MetrlyError } from "#kernel/errors.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import type { Identity } from "#schema/policy.js";
import type { ApiKeyScope } from "#schema/vocabulary.js";
import { nameReasons, type Reason } from "./reasons.js";

export const MAX_LIVE_KEYS = 200;
const MAX_GRACE_SECONDS = 30 * 86_400;

export interface ApiKeyTerms {
  /** Undefined with `platform`: not bound to a tenant. */
  readonly tenantId: string | undefined;
  readonly platform: boolean;
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  readonly expiresAt: number | null;
}

/** All errors of a new key, for any issuer; empty: valid. */
export function validateApiKey(terms: ApiKeyTerms, now: number): Reason[] {
  return [
    ...((terms.tenantId !== undefined) === terms.platform
      ? [{ path: "tenantId", detail: "name either a tenant or `platform: true`" }]
      : []),
    ...nameReasons("name", terms.name),
    ...(terms.scopes.length === 0 ? [{ path: "scopes", detail: "must name at least one scope" }] : []),
    ...(new Set(terms.scopes).size < terms.scopes.length
      ? [{ path: "scopes", detail: "must name each scope once" }]
      : []),
    ...(terms.expiresAt !== null && terms.expiresAt <= now
      ? [{ path: "expiresAt", detail: "must lie in the future" }]
      : []),
  ];
}

/**
 * An issuer cannot grant more than it has: a key at most its own scopes, a tenant's identity only keys of that tenant. Throws
 * FORBIDDEN.
 */
export function assertMayGrant(issuer: Identity, tenantId: string | null, scopes: readonly ApiKeyScope[]): void {
  if (tenantId === null && (issuer.tenantId !== null || !issuer.roles.includes("PLATFORM_ADMIN")))
    throw new MetrlyError("FORBIDDEN", "Only the platform's own administrators issue platform keys");
  if (issuer.kind !== "API_KEY") return;
  const missing = scopes.filter((scope) => !issuer.scopes.includes(scope));
  if (missing.length > 0)
    throw new MetrlyError("FORBIDDEN", `A key can grant only scopes that it has; this one lacks ${missing.join(", ")}`);
}

/** An issuer cannot grant longer than it has; `end` null: it has no end. Throws FORBIDDEN. */
export function assertMayGrantUntil(end: number | null, expiresAt: number | null): void {
  if (end === null || (expiresAt !== null && expiresAt <= end)) return;
  throw new MetrlyError(
    "FORBIDDEN",
    `A key gives at most its own time: \`expiresAt\` may be at most ${new Date(end).toISOString()}`,
  );
}

export function isLive(key: ApiKeyState, now: number): boolean {
  return key.revokedAt === null && (key.expiresAt === null || key.expiresAt > now);
}

export function rotationReasons(graceSeconds: number): Reason[] {
  if (Number.isInteger(graceSeconds) && graceSeconds >= 0 && graceSeconds <= MAX_GRACE_SECONDS) return [];
  return [{ path: "graceSeconds", detail: `must be a whole number from 0 to ${MAX_GRACE_SECONDS}` }];
}

/**
 * When the old key expires (never later than before) and when its successor does: after as much time as the old key had, but
 * never later than the issuer; `issuerEnd` null: it has no end.
 */
export function rotationTimes(key: ApiKeyState, graceSeconds: number, now: number, issuerEnd: number | null) {
  const graceEnd = now + graceSeconds * 1000;
  const wanted = key.expiresAt === null ? null : now + (key.expiresAt - key.createdAt);
  return {
    oldExpiresAt: key.expiresAt === null ? graceEnd : Math.min(key.expiresAt, graceEnd),
    newExpiresAt: wanted === null || issuerEnd === null ? (wanted ?? issuerEnd) : Math.min(wanted, issuerEnd),
  };
}
