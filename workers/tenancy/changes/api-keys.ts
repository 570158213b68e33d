import { MetrlyError, noSuch } from "#kernel/errors.js";
import { generateApiKey } from "#platform/auth/api-keys.js";
import { newOrderedUuid } from "#platform/lifecycle/random.js";
import { actorOf } from "#platform/tenancy-client/audit-log.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import { authorize, type Identity, type Operation } from "#schema/policy.js";
import {
  type ApiKeyTerms,
  assertMayGrant,
  assertMayGrantUntil,
  isLive,
  MAX_LIVE_KEYS,
  rotationReasons,
  rotationTimes,
  validateApiKey,
} from "../rules/api-key.js";
import { rejectIf } from "../rules/reasons.js";
import { assertOpen } from "../rules/tenant.js";
import type { Change } from "../store/change.js";
import type { TenancyStore } from "../store/store.js";
import { tenantOf } from "./tenants.js";

/** A new key, with the secret, which is shown only once. */
export interface IssuedKey {
  readonly apiKey: ApiKeyState;
  readonly secret: string;
}

/** Issues a key. Throws INVALID, FORBIDDEN (more than the issuer has), NOT_FOUND (the tenant), CONFLICT (closed, too many). */
export function issueApiKey(store: TenancyStore, issuer: Identity, terms: ApiKeyTerms): Promise<IssuedKey> {
  authorize(issuer, "Mutation.issueApiKey", terms.tenantId);
  const tenantId = terms.tenantId ?? null;
  assertMayGrant(issuer, tenantId, terms.scopes);
  return store.change(actorOf(issuer), async (change) => {
    rejectIf(validateApiKey(terms, change.now));
    assertMayGrantUntil(await endOf(change, issuer), terms.expiresAt);
    const tenant = tenantId === null ? undefined : await tenantOf(change, tenantId);
    if (tenant !== undefined) assertOpen(tenant);
    await assertRoom(change, tenantId);
    return newKey(change, "apiKey.issue", {
      tenantId,
      name: terms.name,
      scopes: [...terms.scopes],
      test: tenant !== undefined && tenant.testClock !== null,
      expiresAt: terms.expiresAt,
    });
  });
}

/**
 * Replaces a key by a new one with the same rights, which never outlives the issuer; the old one stays valid for
 * `graceSeconds`, or until its own expiry if earlier. Throws NOT_FOUND, INVALID, FORBIDDEN, CONFLICT (not live).
 */
export async function rotateApiKey(
  store: TenancyStore,
  issuer: Identity,
  id: string,
  graceSeconds: number,
): Promise<IssuedKey> {
  await reachableKey(store, issuer, "Mutation.rotateApiKey", id);
  return store.change(actorOf(issuer), async (change) => {
    rejectIf(rotationReasons(graceSeconds));
    const old = await keyOf(change, id);
    assertMayGrant(issuer, old.tenantId, old.scopes);
    if (!isLive(old, change.now)) throw new MetrlyError("CONFLICT", "The key is revoked or expired: issue a new one");
    await assertRoom(change, old.tenantId);
    const { oldExpiresAt, newExpiresAt } = rotationTimes(old, graceSeconds, change.now, await endOf(change, issuer));
    const { tenantId, name, scopes, test } = old;
    const issued = await newKey(change, "apiKey.issue", { tenantId, name, scopes, test, expiresAt: newExpiresAt });
    // Without grace it ends now, on every clock.
    const ended = graceSeconds === 0 && { revokedAt: change.now };
    const after = { ...old, version: change.nextVersion(), expiresAt: oldExpiresAt, ...ended };
    await change.save({ action: "apiKey.rotate", before: old, after });
    return issued;
  });
}

/** Revokes a key immediately and permanently; idempotent. Throws NOT_FOUND. */
export async function revokeApiKey(store: TenancyStore, identity: Identity, id: string): Promise<ApiKeyState> {
  await reachableKey(store, identity, "Mutation.revokeApiKey", id);
  return store.change(actorOf(identity), async (change) => {
    const before = await keyOf(change, id);
    if (before.revokedAt !== null) return before;
    const after = { ...before, version: change.nextVersion(), revokedAt: change.now };
    return change.save({ action: "apiKey.revoke", before, after });
  });
}

/** When the issuer's own key ends; null: never, or a person, whose sessions do not bound the keys. */
async function endOf(change: Change, issuer: Identity): Promise<number | null> {
  return issuer.kind === "API_KEY" ? (await keyOf(change, issuer.id)).expiresAt : null;
}

function newKey(
  change: Change,
  action: string,
  fields: Pick<ApiKeyState, "tenantId" | "name" | "scopes" | "test" | "expiresAt">,
): Promise<IssuedKey> {
  const { secret, hash, prefix } = generateApiKey(fields.test);
  const after: ApiKeyState = {
    ...fields,
    kind: "apiKey",
    id: `key_${newOrderedUuid().replaceAll("-", "")}`,
    version: change.nextVersion(),
    prefix,
    hash,
    createdAt: change.now,
    revokedAt: null,
  };
  return change.save({ action, after }).then((apiKey) => ({ apiKey, secret }));
}

/** A key whose tenant the identity may access; platform keys only for platform identities. A key's tenant never changes. */
async function reachableKey(store: TenancyStore, identity: Identity, operation: Operation, id: string): Promise<void> {
  authorize(identity, operation);
  const hidden = noSuch("API key", id);
  const key = await store.apiKey(id);
  if (key === undefined) throw hidden;
  if (key.tenantId !== null) return authorize(identity, operation, key.tenantId, hidden);
  if (identity.tenantId !== null || !identity.roles.includes("PLATFORM_ADMIN")) throw hidden;
}

async function keyOf(change: Change, id: string): Promise<ApiKeyState> {
  const key = await change.apiKey(id);
  if (key === undefined) throw noSuch("API key", id);
  return key;
}

async function assertRoom(change: Change, tenantId: string | null): Promise<void> {
  if ((await change.liveApiKeyCount(tenantId)) < MAX_LIVE_KEYS) return;
  throw new MetrlyError("CONFLICT", `There are ${MAX_LIVE_KEYS} live keys already: revoke some first`);
}
