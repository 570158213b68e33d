import { expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import {
  authenticateApiKey,
  bearerToken,
  generateApiKey,
  hashApiKey,
  identityOfKey,
  looksLikeApiKey,
  requireScope,
} from "./api-keys.js";

const NOW = 1_790_000_000_000;

function givenKey(over: Partial<ApiKeyState> = {}) {
  const { secret, hash, prefix } = generateApiKey(false);
  const clock = manualClock(NOW);
  const { apply, reads } = createTenancyState(clock);
  const state: ApiKeyState = {
    kind: "apiKey",
    id: "key_1",
    version: 1,
    tenantId: "acme",
    name: "test",
    prefix,
    hash,
    scopes: ["INGEST"],
    test: false,
    createdAt: NOW,
    expiresAt: null,
    revokedAt: null,
    ...over,
  };
  apply(state);
  const tenancy = { ...reads, stop: async () => undefined };
  return { secret, clock, tenancy, state, apply };
}

test("a key has a checksum that a typing error breaks", () => {
  const { secret } = generateApiKey(true);
  expect(secret).toMatch(/^mtr_test_/);
  expect(looksLikeApiKey(secret)).toBe(true);
  const at = 12;
  const typo = secret.slice(0, at) + (secret[at] === "a" ? "b" : "a") + secret.slice(at + 1);
  expect(looksLikeApiKey(typo)).toBe(false);
});

test("a known key authenticates, an unknown, expired or revoked one does not", () => {
  const good = givenKey();
  expect(authenticateApiKey(good.tenancy, good.clock, good.secret).id).toBe("key_1");
  expect(() => authenticateApiKey(good.tenancy, good.clock, generateApiKey(false).secret)).toThrow("unknown");
  const expired = givenKey({ expiresAt: NOW });
  expect(() => authenticateApiKey(expired.tenancy, expired.clock, expired.secret)).toThrow("expired");
  const revoked = givenKey({ revokedAt: NOW - 1 });
  expect(() => authenticateApiKey(revoked.tenancy, revoked.clock, revoked.secret)).toThrow("revoked");
});

test("a revocation takes effect immediately, also here where the clock is behind; an older state does not undo it", () => {
  const { secret, clock, tenancy, state, apply } = givenKey();
  apply({ ...state, version: 2, revokedAt: NOW + 5_000 });
  apply(state);
  expect(() => authenticateApiKey(tenancy, clock, secret)).toThrow("revoked");
});

test("scopes become roles, and ingest alone is none", () => {
  const of = (scopes: ApiKeyState["scopes"], tenantId: string | null) =>
    identityOfKey({ ...givenKey().state, scopes, tenantId }).roles;
  expect(of(["INGEST", "QUOTA"], "acme")).toEqual([]);
  expect(of(["READ"], "acme")).toEqual(["TENANT_VIEWER"]);
  expect(of(["ADMIN"], "acme")).toEqual(["TENANT_ADMIN"]);
  expect(of(["ADMIN"], null)).toEqual(["PLATFORM_ADMIN"]);
  expect(() => requireScope(givenKey().state, "QUOTA")).toThrow("lacks the scope QUOTA");
});

test("only a bearer header carries a key", () => {
  expect(bearerToken("Bearer abc")).toBe("abc");
  for (const header of [undefined, "", "Basic abc", "Bearer", "Bearer a b"])
    expect(() => bearerToken(header)).toThrow();
  expect(hashApiKey("x")).toHaveLength(64);
});
