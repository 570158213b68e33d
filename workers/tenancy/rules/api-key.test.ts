import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import { type Identity, rolesOfKey } from "#schema/policy.js";
import { API_KEY_SCOPES, type ApiKeyScope } from "#schema/vocabulary.js";
import {
  type ApiKeyTerms,
  assertMayGrant,
  assertMayGrantUntil,
  isLive,
  rotationReasons,
  rotationTimes,
  validateApiKey,
} from "./api-key.js";

const NOW = 1_790_000_000_000;

const keyIdentity = (tenantId: string | null, scopes: ApiKeyScope[]): Identity => ({
  kind: "API_KEY",
  id: "key_1",
  tenantId,
  roles: rolesOfKey(tenantId, scopes),
  scopes,
});
const admin: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
const terms = (change: Partial<ApiKeyTerms> = {}): ApiKeyTerms => ({
  tenantId: "acme",
  platform: false,
  name: "edge",
  scopes: ["INGEST"],
  expiresAt: null,
  ...change,
});
const pathsOf = (change: Partial<ApiKeyTerms>) => {
  const reasons = validateApiKey(terms(change), NOW);
  expect(reasons.every(({ detail }) => detail.length > 10)).toBe(true);
  return reasons.map(({ path }) => path);
};

describe("issuing a key", () => {
  test("a key never gives more than its own scopes", () => {
    fc.assert(
      fc.property(fc.subarray([...API_KEY_SCOPES]), fc.subarray([...API_KEY_SCOPES]), (own, wanted) => {
        const grant = () => assertMayGrant(keyIdentity("acme", own), "acme", wanted);
        if (wanted.every((scope) => own.includes(scope))) expect(grant).not.toThrow();
        else expect(grant).toThrow(expect.objectContaining({ code: "FORBIDDEN" }));
      }),
    );
    expect(() => assertMayGrant(keyIdentity("acme", ["READ"]), "acme", ["INGEST", "READ", "QUOTA"])).toThrow(
      /this one lacks INGEST, QUOTA$/,
    );
    expect(() => assertMayGrant({ ...admin, roles: ["TENANT_ADMIN"] }, "acme", ["ADMIN"])).not.toThrow();
  });

  test("only the platform's administrators issue platform keys", () => {
    expect(() => assertMayGrant(admin, null, API_KEY_SCOPES)).not.toThrow();
    expect(() => assertMayGrant(keyIdentity(null, ["ADMIN"]), null, ["ADMIN"])).not.toThrow();
    const forbidden = expect.objectContaining({ code: "FORBIDDEN", message: expect.stringContaining("platform keys") });
    expect(() => assertMayGrant(keyIdentity("acme", ["ADMIN"]), null, ["ADMIN"])).toThrow(forbidden);
    for (const role of ["TENANT_ADMIN", "PLATFORM_ADMIN"] as const)
      expect(() => assertMayGrant({ ...admin, tenantId: "acme", roles: [role] }, null, ["READ"])).toThrow(forbidden);
  });

  test("names a tenant or the platform, scopes once each, and a future end", () => {
    expect(pathsOf({})).toEqual([]);
    expect(pathsOf({ tenantId: undefined, platform: true })).toEqual([]);
    expect(pathsOf({ platform: true })).toEqual(["tenantId"]);
    expect(pathsOf({ tenantId: undefined })).toEqual(["tenantId"]);
    expect(pathsOf({ scopes: [], expiresAt: NOW })).toEqual(["scopes", "expiresAt"]);
    expect(pathsOf({ scopes: ["READ", "READ"] })).toEqual(["scopes"]);
    expect(pathsOf({ name: " ", expiresAt: NOW + 1 })).toEqual(["name"]);
  });
});

test("an issuer that ends gives keys that end no later", () => {
  for (const [end, expiresAt] of [
    [null, null],
    [null, NOW],
    [NOW, NOW],
    [NOW, NOW - 1],
  ] as const)
    expect(() => assertMayGrantUntil(end, expiresAt)).not.toThrow();
  for (const [end, expiresAt] of [
    [NOW, null],
    [NOW, NOW + 1],
  ] as const)
    expect(() => assertMayGrantUntil(end, expiresAt)).toThrow(
      expect.objectContaining({ code: "FORBIDDEN", message: expect.stringContaining(new Date(NOW).toISOString()) }),
    );
});

describe("rotating a key", () => {
  const key = (expiresAt: number | null): ApiKeyState => ({
    kind: "apiKey",
    id: "key_1",
    version: 1,
    tenantId: "acme",
    name: "edge",
    prefix: "mtr_live_abc",
    hash: "0".repeat(64),
    scopes: ["INGEST"],
    test: false,
    createdAt: NOW - 1_000_000,
    expiresAt,
    revokedAt: null,
  });

  test("lets the old one work for the grace time and no longer than before", () => {
    expect(rotationTimes(key(null), 60, NOW, null)).toEqual({ oldExpiresAt: NOW + 60_000, newExpiresAt: null });
    expect(rotationTimes(key(NOW + 5), 60, NOW, null)).toEqual({
      oldExpiresAt: NOW + 5,
      newExpiresAt: NOW + 1_000_005,
    });
  });

  test("gives the successor no more time than the issuer has", () => {
    expect(rotationTimes(key(null), 60, NOW, NOW + 7).newExpiresAt).toBe(NOW + 7);
    expect(rotationTimes(key(NOW + 5), 60, NOW, NOW + 7).newExpiresAt).toBe(NOW + 7);
    expect(rotationTimes(key(NOW + 5), 60, NOW, NOW + 2_000_000).newExpiresAt).toBe(NOW + 1_000_005);
  });

  test("takes a grace of whole seconds, of 30 days at most", () => {
    expect([0, 1, 30 * 86_400].flatMap(rotationReasons)).toEqual([]);
    for (const graceSeconds of [-1, 0.5, 30 * 86_400 + 1, Number.NaN])
      expect(rotationReasons(graceSeconds)).toEqual([
        { path: "graceSeconds", detail: "must be a whole number from 0 to 2592000" },
      ]);
  });

  test("a key is live until its end, not at it", () => {
    expect(isLive(key(null), NOW)).toBe(true);
    expect(isLive(key(NOW + 1), NOW)).toBe(true);
    expect(isLive(key(NOW), NOW)).toBe(false);
    expect(isLive({ ...key(null), revokedAt: NOW }, NOW)).toBe(false);
  });
});
