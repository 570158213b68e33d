import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { createTokenIssuer } from "./token-issuer.js";

const START = Date.UTC(2026, 10, 1);
const DAY_MS = 86_400_000;
let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "metrly-issuer-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const adminToken = () => readFile(path.join(dataDir, "admin-token"), "utf8");
const mode = async (file: string) => (await stat(path.join(dataDir, file))).mode & 0o777;

test("a token says who, what and where until it expires", async () => {
  const clock = manualClock(START);
  const issuer = await createTokenIssuer(dataDir, clock);
  const token = await issuer.issue({
    subject: "ada",
    roles: ["TENANT_ADMIN"],
    tenantId: "acme",
    expiresInSeconds: 60,
  });
  expect(await issuer.verify(token)).toEqual({
    identity: { kind: "USER", id: "ada", tenantId: "acme", roles: ["TENANT_ADMIN"], scopes: [] },
    expiresAtMs: START + 60_000,
  });
  clock.advance(60_000);
  await expect(issuer.verify(token)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("another installation's token is refused", async () => {
  const other = await mkdtemp(path.join(tmpdir(), "metrly-issuer-"));
  try {
    const stranger = await createTokenIssuer(other);
    const issuer = await createTokenIssuer(dataDir);
    const token = await stranger.issue({ subject: "x", roles: ["PLATFORM_ADMIN"], expiresInSeconds: 60 });
    await expect(issuer.verify(token)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  } finally {
    await rm(other, { recursive: true, force: true });
  }
});

test("one tenant's token never carries the platform", async () => {
  const issuer = await createTokenIssuer(dataDir);
  const request = { subject: "x", roles: ["PLATFORM_ADMIN"], tenantId: "acme", expiresInSeconds: 60 } as const;
  expect(() => issuer.issue(request)).toThrow(RangeError);
});

test("key and admin token are their owner's alone and outlive a restart", async () => {
  const first = await createTokenIssuer(dataDir);
  const token = await adminToken();
  expect((await first.verify(token.trim())).identity.roles).toEqual(["PLATFORM_ADMIN"]);
  expect(await mode("keys")).toBe(0o700);
  expect(await mode("keys/token-signing.jwk.json")).toBe(0o600);
  expect(await mode("admin-token")).toBe(0o600);
  const second = await createTokenIssuer(dataDir);
  expect(second.jwks).toEqual(first.jwks);
  expect(await adminToken()).toBe(token);
});

test("an admin token that is damaged, foreign or about to expire is replaced", async () => {
  const clock = manualClock(START);
  const issuer = await createTokenIssuer(dataDir, clock);
  const original = await adminToken();
  await writeFile(path.join(dataDir, "admin-token"), "damaged");
  await createTokenIssuer(dataDir, clock);
  const replaced = await adminToken();
  expect(replaced).not.toBe("damaged");
  await issuer.verify(replaced.trim());
  clock.advance(340 * DAY_MS);
  await createTokenIssuer(dataDir, clock);
  const renewed = await adminToken();
  expect([original, replaced]).not.toContain(renewed);
  clock.advance(30 * DAY_MS);
  await issuer.verify(renewed.trim());
});

test("processes that start at once on one directory sign with the same key", async () => {
  const issuers = await Promise.all(Array.from({ length: 8 }, () => createTokenIssuer(dataDir)));
  expect(new Set(issuers.map((issuer) => JSON.stringify(issuer.jwks))).size).toBe(1);
});

test("an unreadable key is one clear sentence, never a new key in silence", async () => {
  await createTokenIssuer(dataDir);
  await writeFile(path.join(dataDir, "keys/token-signing.jwk.json"), "{");
  await expect(createTokenIssuer(dataDir)).rejects.toThrow(/token-signing\.jwk\.json is not a P-256 private key/);
});
