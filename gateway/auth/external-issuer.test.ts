import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "#platform/process/clock.js";
import { type OidcConfig, parseConfig } from "#platform/process/config.js";
import { freePort } from "../../tests/servers/servers.js";
import { unlessStopped } from "../../tests/support/unless-stopped.js";
import { startGatewayWorld } from "../../tests/systems/gateway/world.js";
import { createExternalIssuer } from "./external-issuer.js";

/** An OpenID Connect provider: discovery and keys over real HTTP. */
async function startProvider(port = 0) {
  const keys: JWK[] = [];
  const state = { keyRequests: 0, discovery: undefined as string | undefined, padding: "" };
  const server = createServer((request, response) => {
    const send = (text: string) => response.setHeader("content-type", "application/json").end(text);
    if (request.url === "/.well-known/openid-configuration")
      return send(state.discovery ?? JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }));
    if (request.url !== "/keys") return response.writeHead(404).end();
    state.keyRequests += 1;
    return send(JSON.stringify({ keys, padding: state.padding }));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let next = 0;
  async function addKey(alg = "RS256") {
    next += 1;
    const kid = `key-${next}`;
    const { publicKey, privateKey } = await generateKeyPair(alg);
    keys.push({ ...(await exportJWK(publicKey)), kid, alg, use: "sig" });
    return (claims: JWTPayload, header: { alg?: string; kid?: string } = {}) =>
      new SignJWT({ iss: url, aud: "metrly", sub: "ada", exp: Math.floor(Date.now() / 1_000) + 600, ...claims })
        .setProtectedHeader({ alg, kid, ...header })
        .sign(privateKey);
  }
  return {
    ...{ url, keys, state, addKey },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const MAPPINGS = "metrly-admins=PLATFORM_ADMIN,owners=TENANT_ADMIN,viewers=TENANT_VIEWER,support=TENANT_VIEWER@*";
const configOf = (issuer: string, env: Record<string, string> = {}): OidcConfig => {
  const { oidc } = parseConfig({
    ...{ METRLY_OIDC_ISSUER: issuer, METRLY_OIDC_AUDIENCE: "metrly", METRLY_OIDC_ROLES: MAPPINGS },
    ...env,
  });
  if (oidc === undefined) throw new Error("it is configured");
  return oidc;
};

describe("tokens of an identity provider", () => {
  let provider: Awaited<ReturnType<typeof startProvider>>;
  beforeEach(async () => {
    provider = await startProvider();
  });
  afterEach(() => provider.close());
  const again = unlessStopped();

  const open = (env?: Record<string, string>, cooldownMs = 0) =>
    createExternalIssuer({ config: configOf(provider.url, env), clock: systemClock, cooldownMs });

  test("identify the caller and, by the configured mapping, its roles", async () => {
    const sign = await provider.addKey();
    const issuer = open();
    const identityOf = async (claims: JWTPayload) => (await issuer.verify(await sign(claims))).identity;
    expect(await identityOf({ roles: ["metrly-admins", "unknown"] })).toEqual({
      ...{ kind: "USER", id: "oidc:ada", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] },
    });
    expect(await identityOf({ roles: ["owners", "viewers"], tenant_id: "acme" })).toMatchObject({
      ...{ tenantId: "acme", roles: ["TENANT_ADMIN", "TENANT_VIEWER"] },
    });
    expect(await identityOf({ roles: "support other" })).toMatchObject({ tenantId: null, roles: ["TENANT_VIEWER"] });
    // A role of one tenant never grows to all of them.
    expect(await identityOf({ roles: ["support", "owners"], tenant_id: "acme" })).toMatchObject({
      ...{ tenantId: null, roles: ["TENANT_VIEWER"] },
    });
    expect(provider.state.keyRequests).toBe(1);
  });

  test("may have their claims elsewhere", async () => {
    const sign = await provider.addKey("ES256");
    const issuer = open({
      METRLY_OIDC_ROLES_CLAIM: "realm_access.roles",
      METRLY_OIDC_TENANT_CLAIM: "https://metrly.example/tenant",
    });
    const token = await sign({ realm_access: { roles: ["viewers"] }, "https://metrly.example/tenant": "acme" });
    expect((await issuer.verify(token)).identity).toMatchObject({ tenantId: "acme", roles: ["TENANT_VIEWER"] });
  });

  test("are refused when they are not for us, not theirs, not valid now, or without a role or a tenant", async () => {
    const sign = await provider.addKey();
    const stranger = await generateKeyPair("RS256");
    const now = Math.floor(Date.now() / 1_000);
    const admin = { roles: ["metrly-admins"] };
    const [publicKey] = provider.keys;
    const forged = (alg: string, key: Parameters<SignJWT["sign"]>[0], kid = "key-1") =>
      new SignJWT({ iss: provider.url, aud: "metrly", sub: "x", exp: now + 60, ...admin })
        .setProtectedHeader({ alg, kid })
        .sign(key);
    const [, body] = (await sign(admin)).split(".");
    const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${body}.`;
    const wrong = [
      await sign({ ...admin, aud: "another" }),
      await sign({ ...admin, iss: `${provider.url}/` }),
      await sign({ ...admin, exp: now - 60 }),
      await sign({ ...admin, nbf: now + 600 }),
      await sign({ ...admin, sub: undefined as unknown as string }),
      await sign({ ...admin, exp: undefined as unknown as number }),
      await sign({ roles: ["unknown"] }),
      await sign({}),
      await sign({ roles: ["owners"] }),
      await sign({ roles: ["owners"], tenant_id: "no id\n" }),
      await forged("RS256", stranger.privateKey),
      await forged("RS256", stranger.privateKey, "key-9"),
      await forged("HS256", Buffer.from(JSON.stringify(publicKey))),
      none,
      "nonsense",
    ];
    const issuer = open();
    for (const token of wrong)
      await expect(issuer.verify(token), token).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test(
    "are good soon after the provider has changed its key, and strangers can't make us ask for keys all the time",
    again,
    async () => {
      const [first, second] = [await provider.addKey(), await provider.addKey()];
      const [known, token] = [await first({ roles: ["support"] }), await second({ roles: ["support"] })];
      const later = provider.keys.splice(1);
      const issuer = open({}, 1_500);
      await issuer.verify(known);
      provider.keys.push(...later);
      await expect(issuer.verify(token)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
      await new Promise((resolve) => setTimeout(resolve, 1_600));
      await issuer.verify(token);
      const before = provider.state.keyRequests;
      for (let n = 0; n < 20; n += 1)
        await issuer.verify(await first({ roles: ["support"] }, { kid: `made-up-${n}` })).catch(() => undefined);
      expect(provider.state.keyRequests - before).toBeLessThanOrEqual(1);
    },
  );

  test("end with the key that signed them, also on connections that are open", async () => {
    const sign = await provider.addKey();
    const issuer = createExternalIssuer({
      ...{ config: configOf(provider.url), clock: systemClock, refreshMs: 0 },
    });
    const session = await issuer.verify(await sign({ roles: "support" }));
    await session.assertValid();
    await provider.addKey();
    provider.keys.shift();
    await expect(session.assertValid()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    const other = await issuer.verify(await (await provider.addKey())({ roles: "support" }));
    await provider.close();
    // Away, it can withdraw nothing.
    await other.assertValid();
    await other.assertValid();
  });

  test("can't be judged while the provider is away or is another one, and can once it is back", async () => {
    const port = await freePort();
    const issuer = createExternalIssuer({
      config: configOf(`http://127.0.0.1:${port}`),
      clock: systemClock,
      cooldownMs: 0,
    });
    const elsewhere = await provider.addKey();
    await expect(issuer.verify(await elsewhere({}))).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const late = await startProvider(port);
    try {
      const sign = await late.addKey();
      for (const document of [
        "{",
        "null",
        JSON.stringify({ issuer: provider.url, jwks_uri: `${late.url}/keys` }),
        "x".repeat(70_000),
      ]) {
        late.state.discovery = document;
        await expect(issuer.verify(await sign({}))).rejects.toMatchObject({ code: "UNAVAILABLE" });
      }
      late.state.discovery = undefined;
      expect((await issuer.verify(await sign({ roles: ["support"] }))).identity.id).toBe("oidc:ada");
    } finally {
      await late.close();
    }
  });

  test("are judged by keys of a bounded document only; before a larger one arrived, by the keys before it", async () => {
    const sign = await provider.addKey();
    const issuer = createExternalIssuer({
      ...{ config: configOf(provider.url), clock: systemClock, cooldownMs: 0, refreshMs: 0 },
    });
    provider.state.padding = "x".repeat(70_000);
    const token = await sign({ roles: "support" });
    await expect(issuer.verify(token)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    provider.state.padding = "";
    await issuer.verify(token);
    provider.state.padding = "x".repeat(70_000);
    const before = provider.state.keyRequests;
    await issuer.verify(token);
    expect(provider.state.keyRequests).toBeGreaterThan(before);
  });

  test("open the graph over HTTP and WebSocket, beside our own tokens and keys", async () => {
    const sign = await provider.addKey();
    const world = await startGatewayWorld({ oidc: configOf(provider.url) });
    try {
      const token = await sign({ roles: ["owners"], tenant_id: "acme" });
      expect((await world.ask("{ whoAmI }", token)).data).toEqual({ whoAmI: "oidc:ada" });
      expect((await world.ask('{ tenant(id: "globex") { name } }', token)).errors).toMatchObject([
        { extensions: { code: "NOT_FOUND" } },
      ]);
      expect((await world.ask("{ whoAmI }", world.admin)).data).toEqual({ whoAmI: "root" });
      const refused = await world.ask("{ whoAmI }", await sign({ roles: ["unknown"] }));
      expect([refused.status, refused.errors?.[0]?.extensions?.code]).toEqual([401, "UNAUTHENTICATED"]);
      const live = world.socket(token).iterate({ query: "{ whoAmI }" });
      expect((await live.next()).value).toEqual({ data: { whoAmI: "oidc:ada" } });
    } finally {
      await world.stop();
    }
  });
});

test("incomplete configuration is reported", () => {
  expect(() => parseConfig({ METRLY_OIDC_ISSUER: "https://id.example" })).toThrow(
    /METRLY_OIDC_AUDIENCE.*METRLY_OIDC_ROLES/s,
  );
  expect(() =>
    parseConfig({
      METRLY_OIDC_ISSUER: "https://id.example",
      METRLY_OIDC_AUDIENCE: "m",
      METRLY_OIDC_ROLES: "admins=ROOT",
    }),
  ).toThrow(/"admins=ROOT" is not value=ROLE/);
});
