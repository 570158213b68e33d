import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { decodeProtectedHeader } from "jose";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { DAY_MS } from "#kernel/duration.js";
import { installManualTime } from "#platform/lifecycle/manual-time.testing.js";
import { PATIENCE_MS } from "../../tests/servers/servers.js";
import { openKeyRing } from "./signing-key.js";
import { createTokenIssuer, keyFolder } from "./token-issuer.js";

const START = Date.UTC(2026, 10, 1);
let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "metrly-issuer-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const adminToken = () => readFile(path.join(dataDir, "admin-token"), "utf8");
const mode = async (file: string) => (await stat(path.join(dataDir, file))).mode & 0o777;

test("a token carries identity, roles and tenant until it expires", async () => {
  const clock = manualClock(START);
  const issuer = await createTokenIssuer(dataDir, clock);
  const token = await issuer.issue({
    subject: "ada",
    roles: ["TENANT_ADMIN"],
    tenantId: "acme",
    expiresInSeconds: 60,
  });
  const verified = await issuer.verify(token);
  expect(verified.identity).toEqual({ kind: "USER", id: "ada", tenantId: "acme", roles: ["TENANT_ADMIN"], scopes: [] });
  clock.advance(59_999);
  await verified.assertValid();
  clock.advance(1);
  await expect(verified.assertValid()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
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
  await expect(issuer.issue(request)).rejects.toThrow(RangeError);
});

test("key and admin token are their owner's alone and outlive a restart", async () => {
  const first = await createTokenIssuer(dataDir);
  const token = await adminToken();
  expect((await first.verify(token.trim())).identity.roles).toEqual(["PLATFORM_ADMIN"]);
  expect(await mode("keys")).toBe(0o700);
  expect(await mode("keys/token-signing.jwk.json")).toBe(0o600);
  expect(await mode("admin-token")).toBe(0o600);
  const second = await createTokenIssuer(dataDir);
  expect(await second.jwks()).toEqual(await first.jwks());
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
  const keys = await Promise.all(issuers.map(async (issuer) => JSON.stringify(await issuer.jwks())));
  expect(new Set(keys).size).toBe(1);
});

test("an unreadable key is one clear sentence, never a new key in silence", async () => {
  await createTokenIssuer(dataDir);
  await writeFile(path.join(dataDir, "keys/token-signing.jwk.json"), "{");
  await expect(createTokenIssuer(dataDir)).rejects.toThrow(/token-signing\.jwk\.json is not a P-256 private key/);
});

test("after a rotation tokens that are out stay good, in every process, until their key is revoked", async () => {
  const running = await createTokenIssuer(dataDir);
  const ring = await openKeyRing(keyFolder(dataDir));
  const request = { subject: "ada", roles: ["TENANT_ADMIN"], tenantId: "acme", expiresInSeconds: 600 } as const;
  const old = await running.issue(request);
  const before = await ring.current();
  const next = await ring.rotate();
  expect(next.id).not.toBe(before.id);
  await vi.waitFor(
    async () => expect((await running.jwks()).keys.map(({ kid }) => kid)).toEqual([next.id, before.id]),
    PATIENCE_MS,
  );
  const fresh = await running.issue(request);
  expect(decodeProtectedHeader(fresh).kid).toBe(next.id);
  for (const token of [old, fresh]) expect((await running.verify(token)).identity.id).toBe("ada");
  const session = await running.verify(old);
  await session.assertValid();
  let wasTold = false;
  const fail = (error: unknown) => {
    throw error;
  };
  const watching = running.watch(async () => {
    wasTold = true;
  }, fail);
  expect(await ring.revoke(next.id)).toBe(false);
  expect(await ring.revoke(before.id)).toBe(true);
  await expect(session.assertValid()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  await expect(running.verify(old)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  await vi.waitFor(() => expect([wasTold, watching.isCurrent()]).toEqual([true, true]), PATIENCE_MS);
  await watching.stop();
  expect((await running.verify(fresh)).identity.id).toBe("ada");
  const [kept] = (await running.jwks()).keys;
  expect(kept).not.toHaveProperty("d");
  expect(await mode("keys/token-signing.jwk.json")).toBe(0o600);
});

test("a process that stood still looks for revocations before it accepts a token, or owes one a message", async () => {
  const [time, restore] = installManualTime(Date.now());
  try {
    const running = await createTokenIssuer(dataDir);
    const ring = await openKeyRing(keyFolder(dataDir));
    const old = await running.issue({ subject: "ada", roles: ["PLATFORM_ADMIN"], expiresInSeconds: 600 });
    const before = await ring.current();
    await ring.rotate();
    const session = await running.verify(old);
    const told: string[] = [];
    const watching = running.watch(
      async () => void told.push("revoked"),
      () => {},
    );
    await vi.waitFor(async () => expect(await time.advance(0).then(watching.isCurrent)).toBe(true), PATIENCE_MS);
    let isAnswered = false;
    const revoking = ring.revoke(before.id).then(() => {
      isAnswered = true;
    });
    await vi.waitFor(async () => expect(await readdir(path.join(dataDir, "keys"))).toHaveLength(1), PATIENCE_MS);
    time.jump(900);
    await time.advance(0);
    expect(isAnswered).toBe(false);
    expect(watching.isCurrent()).toBe(true);
    time.jump(100);
    expect(watching.isCurrent()).toBe(false);
    await expect(session.assertValid()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await expect(running.verify(old)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await vi.waitFor(async () => expect(await time.advance(300).then(() => told)).toEqual(["revoked"]), PATIENCE_MS);
    await revoking;
    await watching.stop();
  } finally {
    restore();
  }
});

test("while the keys cannot be read, a token is neither good nor wrong", async () => {
  const [time, restore] = installManualTime(Date.now());
  try {
    const running = await createTokenIssuer(dataDir);
    const token = (await adminToken()).trim();
    const session = await running.verify(token);
    await rename(path.join(dataDir, "keys"), path.join(dataDir, "gone"));
    time.jump(1_000);
    await expect(running.verify(token)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(session.assertValid()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await rename(path.join(dataDir, "gone"), path.join(dataDir, "keys"));
    await session.assertValid();
  } finally {
    restore();
  }
});
