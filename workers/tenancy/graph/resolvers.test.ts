import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { hashApiKey, looksLikeApiKey } from "#platform/auth/api-keys.js";
import { MAX_READ_BYTES, readSizeOf } from "#platform/graphql/answer-size.js";
import type { Subgraph } from "#platform/graphql/subgraph.js";
import { type Identity, rolesOfKey } from "#schema/policy.js";
import type { ApiKeyScope } from "#schema/vocabulary.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { NOW, openWorld, type World } from "../world.testing.js";
import { ask } from "./graph.testing.js";
import { buildTenancySubgraph } from "./resolvers.js";

const admin: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
const keyOf = (tenantId: string, scopes: ApiKeyScope[]): Identity => ({
  kind: "API_KEY",
  id: `key_of_${tenantId}`,
  tenantId,
  roles: rolesOfKey(tenantId, scopes),
  scopes,
});

describe.skipIf(!hasPostgres)("tenancy's subgraph", () => {
  let world: World;
  let subgraph: Subgraph;
  const as = (identity: Identity) => (source: string, variables?: Readonly<Record<string, unknown>>) =>
    ask(subgraph, identity, source, variables);
  const asAdmin = as(admin);

  beforeAll(async () => {
    world = await openWorld();
    subgraph = await buildTenancySubgraph(world.store, world.clock, async () => ({
      version: 1,
      complete: true,
      missing: [],
    }));
    await world.meter("calls", ["region"]);
    await world.plan("pro", "calls");
    await world.tenant("acme", "pro");
    await world.tenant("globex");
  });
  afterAll(() => world.close());

  test("a plan's life cycle, from its input to a tenant's current plan", async () => {
    const input = {
      id: "tiered",
      name: "Tiered",
      version: {
        currency: "EUR",
        recurringFee: "49.00",
        prices: [
          {
            meter: "calls",
            model: "GRADUATED",
            tiers: [{ upTo: "1000", unitAmount: "0.02" }, { unitAmount: "0.010" }],
            where: [{ dimension: "region", value: "eu" }],
          },
        ],
        limits: [{ meter: null, window: "MINUTE", kind: "HARD", limit: "600" }],
      },
    };
    const created = await asAdmin(
      `mutation ($input: CreatePlanInput!) { createPlan(input: $input) { latest { id version publishedAt recurringFee
        prices { model included divideBy roundUp tiers { upTo unitAmount flatAmount } where { dimension value } }
        limits { meter window kind limit warnAt } plan { id name archived } } } }`,
      { input },
    );
    expect(created.codes).toEqual([]);
    const { latest } = created.data.createPlan;
    expect(latest).toMatchObject({ id: "tiered@1", publishedAt: "2026-11-15T12:00:00.000Z", recurringFee: "49" });
    expect(latest.prices[0].tiers).toEqual([
      { upTo: "1000", unitAmount: "0.02", flatAmount: "0" },
      { upTo: null, unitAmount: "0.01", flatAmount: "0" },
    ]);
    expect(latest.limits).toEqual([{ meter: null, window: "MINUTE", kind: "HARD", limit: "600", warnAt: ["0.8"] }]);

    const tenant = await asAdmin(`mutation { createTenant(input: { id: "initech", name: "Initech", planId: "tiered" }) {
      status currency graceDays startsAt testClock plan { id plan { name } }
      assignments { effectiveFrom effectiveTo plan { version } } apiKeys { id } } }`);
    expect(tenant.data.createTenant).toEqual({
      status: "ACTIVE",
      currency: "EUR",
      graceDays: 3,
      startsAt: "2026-11-01T00:00:00.000Z",
      testClock: null,
      plan: { id: "tiered@1", plan: { name: "Tiered" } },
      assignments: [{ effectiveFrom: "2026-11-01T00:00:00.000Z", effectiveTo: null, plan: { version: 1 } }],
      apiKeys: [],
    });
    const change = await asAdmin(
      `mutation { changePlan(tenantId: "initech", planId: "pro") { effectiveFrom plan { id } } }`,
    );
    expect(change.data.changePlan).toEqual({ effectiveFrom: "2026-12-01T00:00:00.000Z", plan: { id: "pro@1" } });
  });

  test("refuses a wrong plan with every reason and its path", async () => {
    const { codes, errors } = await asAdmin(`mutation { createPlan(input: { name: "", version: { currency: "XXZ",
      prices: [{ meter: "nope", model: PER_UNIT, unitAmount: "-1" }] } }) { id } }`);
    expect(codes).toEqual(["INVALID"]);
    expect(errors[0]?.extensions.errors).toMatchObject([
      { path: "name" },
      { path: "version.currency" },
      { path: "version.prices[0].meter" },
      { path: "version.prices[0].unitAmount" },
    ]);
  });

  test("pages tenants in the order of their creation, by status, with opaque cursors", async () => {
    for (let n = 0; n < 5; n += 1) await world.tenant(`page-${n}`);
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const { data } = await asAdmin(
        `query ($after: Cursor) { tenants(first: 3, after: $after, status: ACTIVE) { nodes { id } pageInfo { hasNextPage endCursor } } }`,
        { after },
      );
      seen.push(...data.tenants.nodes.map((node: { id: string }) => node.id));
      after = data.tenants.pageInfo.hasNextPage ? data.tenants.pageInfo.endCursor : null;
    } while (after !== null);
    expect(seen).toEqual(["acme", "globex", "initech", "page-0", "page-1", "page-2", "page-3", "page-4"]);
    expect((await asAdmin(`{ tenants(first: 201) { nodes { id } } }`)).codes).toEqual(["INVALID"]);
    expect((await asAdmin(`{ tenants(after: "bm9wZQ") { nodes { id } } }`)).codes).toEqual(["INVALID"]);
  });

  test("a tenant's key sees that tenant only: others look as if they did not exist", async () => {
    const asAcme = as(keyOf("acme", ["READ", "ADMIN"]));
    const { data } = await asAcme(`{ viewer { kind id tenantId roles } own: tenant(id: "acme") { name apiKeys { id } }
      other: tenant(id: "globex") { name } none: tenant(id: "nobody") { name } meters { key } plans { nodes { id } } }`);
    expect(data).toMatchObject({
      viewer: { kind: "API_KEY", id: "key_of_acme", tenantId: "acme", roles: ["TENANT_ADMIN"] },
      own: { name: "acme" },
      other: null,
      none: null,
    });
    const issue = (tenantId: string) =>
      asAcme(`mutation { issueApiKey(input: { tenantId: "${tenantId}", name: "x", scopes: [READ] }) { secret } }`);
    const [foreign, missing] = [await issue("globex"), await issue("nobody")];
    for (const [id, { errors }] of [
      ["globex", foreign],
      ["nobody", missing],
    ] as const)
      expect(errors.map(({ message }) => message)).toEqual([`There is no tenant "${id}"`]);
    expect(foreign.codes).toEqual(["NOT_FOUND"]);

    const secretOf = await asAdmin(
      `mutation { issueApiKey(input: { tenantId: "globex", name: "x", scopes: [READ] }) { apiKey { id } } }`,
    );
    const { id } = secretOf.data.issueApiKey.apiKey;
    for (const operation of [`revokeApiKey(id: "${id}") { id }`, `rotateApiKey(id: "${id}") { secret }`])
      expect((await asAcme(`mutation { ${operation} }`)).codes).toEqual(["NOT_FOUND"]);
    expect((await asAcme(`{ auditLog(tenantId: "globex") { nodes { at } } }`)).codes).toEqual(["NOT_FOUND"]);
    const audit = await asAcme(`{ auditLog { nodes { target } } }`);
    expect(audit.data.auditLog.nodes).toEqual([{ target: "tenant:acme" }]);
  });

  test.each([
    [`{ tenants { nodes { id } } }`, ["READ", "ADMIN"]],
    [`mutation { createTenant(input: { name: "x" }) { id } }`, ["ADMIN"]],
    [`mutation { suspendTenant(id: "acme", reason: "x") { id } }`, ["ADMIN"]],
    [`mutation { changePlan(tenantId: "acme", planId: "pro") { effectiveFrom } }`, ["ADMIN"]],
    [`mutation { createMeter(input: { key: "x", name: "x", eventType: "x", aggregation: COUNT }) { key } }`, ["ADMIN"]],
    [`mutation { archivePlan(id: "pro") { id } }`, ["ADMIN"]],
    [`mutation { issueApiKey(input: { platform: true, name: "x", scopes: [READ] }) { secret } }`, ["READ", "ADMIN"]],
    [
      `mutation { issueApiKey(input: { tenantId: "acme", name: "x", scopes: [INGEST] }) { secret } }`,
      ["READ", "ADMIN"],
    ],
    [`mutation { issueApiKey(input: { tenantId: "acme", name: "x", scopes: [READ] }) { secret } }`, ["READ"]],
    [`{ auditLog { nodes { at } } }`, ["READ"]],
    [`{ tenant(id: "acme") { apiKeys { id } } }`, ["READ"]],
    [`{ tenant(id: "acme") { id } }`, ["INGEST", "QUOTA"]],
    [`{ meters { key } }`, ["INGEST"]],
  ] as [string, ApiKeyScope[]][])("%s is FORBIDDEN for a tenant's key with %j", async (operation, scopes) => {
    expect((await as(keyOf("acme", scopes))(operation)).codes).toEqual(["FORBIDDEN"]);
  });

  test("a key's secret is shown once, and only its hash is stored", async () => {
    const issued =
      await asAdmin(`mutation { issueApiKey(input: { tenantId: "acme", name: "edge", scopes: [INGEST, QUOTA] })
      { secret apiKey { id prefix scopes test expiresAt lastUsedAt } } }`);
    const { secret, apiKey } = issued.data.issueApiKey;
    expect(looksLikeApiKey(secret)).toBe(true);
    expect(secret.startsWith(apiKey.prefix)).toBe(true);
    expect(apiKey).toMatchObject({ scopes: ["INGEST", "QUOTA"], test: false, expiresAt: null, lastUsedAt: null });
    const everything = await world.database.pool.query(
      "SELECT to_jsonb(k) AS row FROM api_key k UNION ALL SELECT to_jsonb(a) FROM audit_entry a UNION ALL SELECT to_jsonb(o) FROM outbox o",
    );
    expect(JSON.stringify(everything.rows)).toContain(apiKey.id);
    expect(JSON.stringify(everything.rows)).not.toContain(secret);
    const audit = await asAdmin(`{ auditLog(tenantId: "acme") { nodes { target after } } }`);
    expect(JSON.stringify(audit.data)).toContain(apiKey.id);
    expect(JSON.stringify(audit.data)).not.toContain(hashApiKey(secret));

    const rotated = await asAdmin(
      `mutation { rotateApiKey(id: "${apiKey.id}", graceSeconds: 60) { secret apiKey { name scopes } } }`,
    );
    expect(rotated.data.rotateApiKey.apiKey).toEqual({ name: "edge", scopes: ["INGEST", "QUOTA"] });
    const keys = async () => (await asAdmin(`{ tenant(id: "acme") { apiKeys { id expiresAt revokedAt } } }`)).data;
    const graceEnd = new Date(NOW + 60_000).toISOString();
    expect((await keys()).tenant.apiKeys).toContainEqual({ id: apiKey.id, expiresAt: graceEnd, revokedAt: null });
    await asAdmin(`mutation { rotateApiKey(id: "${apiKey.id}", graceSeconds: 0) { secret } }`);
    const now = new Date(NOW).toISOString();
    expect((await keys()).tenant.apiKeys).toContainEqual({ id: apiKey.id, expiresAt: now, revokedAt: now });
  });

  test("a key that ends issues no key that outlives it, and rotates to none", async () => {
    const issue = (who: typeof asAdmin, expiresAt: string | null) =>
      who(
        'mutation ($e: DateTime) { issueApiKey(input: { tenantId: "acme", name: "x", scopes: [READ, ADMIN], expiresAt: $e }) { apiKey { id expiresAt } } }',
        { e: expiresAt },
      );
    const [end, later] = [NOW + 60_000, NOW + 61_000].map((at) => new Date(at).toISOString());
    const { id } = (await issue(asAdmin, end ?? null)).data.issueApiKey.apiKey;
    const byKey = as({ ...keyOf("acme", ["READ", "ADMIN"]), id });
    expect((await issue(byKey, null)).codes).toEqual(["FORBIDDEN"]);
    expect((await issue(byKey, later ?? null)).codes).toEqual(["FORBIDDEN"]);
    expect((await issue(byKey, end ?? null)).data.issueApiKey.apiKey.expiresAt).toBe(end);
    const endless = (await issue(asAdmin, null)).data.issueApiKey.apiKey;
    const rotated = await byKey(`mutation { rotateApiKey(id: "${endless.id}") { apiKey { expiresAt } } }`);
    expect(rotated.data.rotateApiKey.apiKey.expiresAt).toBe(end);
  });

  test("a key has its last use, as reported by processes; an older use changes nothing", async () => {
    const issued = await asAdmin(
      `mutation { issueApiKey(input: { tenantId: "acme", name: "used", scopes: [READ] }) { apiKey { id lastUsedAt } } }`,
    );
    const { id, lastUsedAt } = issued.data.issueApiKey.apiKey;
    expect(lastUsedAt).toBeNull();
    await world.store.noteKeyUses([
      { keyId: id, at: NOW + 5_000 },
      { keyId: "key_nobody", at: NOW },
    ]);
    await world.store.noteKeyUses([{ keyId: id, at: NOW }]);
    const { data } = await asAdmin(`{ tenant(id: "acme") { apiKeys { id lastUsedAt } } }`);
    expect(data.tenant.apiKeys).toContainEqual({ id, lastUsedAt: new Date(NOW + 5_000).toISOString() });
  });

  test("a tenant's time zone is given at its creation, UTC without one, and a repetition of the creation must name it", async () => {
    const create = (id: string, timeZone: string) =>
      asAdmin(`mutation { createTenant(input: { id: "${id}", name: "Zoned"${timeZone} }) { timeZone version: id } }`);
    const berlin = `, timeZone: "Europe/Berlin"`;
    expect((await create("zoned", berlin)).data.createTenant.timeZone).toBe("Europe/Berlin");
    expect((await create("zoned", berlin)).data.createTenant.timeZone).toBe("Europe/Berlin");
    expect((await create("zoned", `, timeZone: "Europe/Paris"`)).codes).toEqual(["CONFLICT"]);
    expect((await create("unzoned", "")).data.createTenant.timeZone).toBe("UTC");
    // An input that an older release stored has no time zone.
    for (const same of [`, timeZone: "UTC"`, ", timeZone: null"])
      expect((await create("unzoned", same)).data.createTenant.timeZone).toBe("UTC");
    expect((await create("nowhere", `, timeZone: "Nowhere"`)).codes).toEqual(["INVALID"]);
    await asAdmin(`mutation { updateTenant(id: "zoned", input: { name: "Renamed" }) { id } }`);
    expect((await asAdmin(`{ tenant(id: "zoned") { name timeZone } }`)).data.tenant).toEqual({
      ...{ name: "Renamed", timeZone: "Europe/Berlin" },
    });
    expect(await world.store.tenantsByIds(["unzoned"])).toEqual([expect.not.objectContaining({ timeZone: "UTC" })]);
  });

  test("a limit warns at amounts, and says at which", async () => {
    const limits = `limits: [{ meter: "calls", window: CALENDAR_WEEK, kind: SOFT, limit: "100",
      warnAtAmounts: ["5", "50.5"], warnEvery: "10" }, { window: CALENDAR_DAY, kind: HARD, limit: "1" }]`;
    const { data } = await asAdmin(`mutation { createPlan(input: { id: "weekly", name: "Weekly", version: {
      currency: "EUR", prices: [], ${limits} } }) { latest { limits { window warnAt warnAtAmounts warnEvery } } } }`);
    expect(data.createPlan.latest.limits).toEqual([
      { window: "CALENDAR_WEEK", warnAt: ["0.8"], warnAtAmounts: ["5", "50.5"], warnEvery: "10" },
      { window: "CALENDAR_DAY", warnAt: ["0.8"], warnAtAmounts: [], warnEvery: null },
    ]);
  });

  test("keys of a tenant with a test clock are marked", async () => {
    const tenant = await asAdmin(`mutation { createTenant(input: { id: "lab", name: "Lab", planId: "pro",
      testClock: "2025-02-10T00:00:00Z" }) { testClock startsAt plan { id } } }`);
    expect(tenant.data.createTenant).toEqual({
      testClock: "2025-02-10T00:00:00.000Z",
      startsAt: "2025-02-01T00:00:00.000Z",
      plan: { id: "pro@1" },
    });
    const issued = await asAdmin(
      `mutation { issueApiKey(input: { tenantId: "lab", name: "x", scopes: [READ] }) { secret apiKey { test } } }`,
    );
    expect(issued.data.issueApiKey.secret).toMatch(/^mtr_test_/);
    expect(issued.data.issueApiKey.apiKey.test).toBe(true);
  });

  test("missing things are NOT_FOUND in mutations and null in queries", async () => {
    expect((await asAdmin(`{ tenant(id: "nobody") { id } plan(id: "nothing") { id } }`)).data).toEqual({
      tenant: null,
      plan: null,
    });
    for (const mutation of [
      `updateTenant(id: "nobody", input: {}) { id }`,
      `changePlan(tenantId: "acme", planId: "pro", version: 9) { effectiveFrom }`,
      `publishPlanVersion(planId: "nothing", input: { currency: "EUR", prices: [] }) { id }`,
      `archiveMeter(key: "nothing") { key }`,
      `revokeApiKey(id: "key_nothing") { id }`,
    ])
      expect((await asAdmin(`mutation { ${mutation} }`)).codes).toEqual(["NOT_FOUND"]);
  });

  test("a tenant sees the plan versions that it has or had and the public ones, however it asks", async () => {
    const publish = (id: string, more = "") =>
      asAdmin(
        `mutation { publishPlanVersion(planId: "${id}", input: { currency: "EUR", prices: [] ${more} }) { version public } }`,
      );
    for (const id of ["mine", "theirs", "offered"]) await world.plan(id, "calls");
    await world.tenant("buyer", "mine");
    await world.tenant("rival", "theirs");
    await publish("mine");
    expect((await publish("mine", "public: true")).data.publishPlanVersion).toEqual({ version: 3, public: true });
    await publish("offered", "public: true");
    const asBuyer = as(keyOf("buyer", ["READ"]));
    const { data } = await asBuyer(`{ mine: plan(id: "mine") { versions { version public } latest { version } }
      theirs: plan(id: "theirs") { id } offered: plan(id: "offered") { versions { version } }
      plans { nodes { id versions { version } } }
      tenant(id: "buyer") { plan { plan { versions { version } } } assignments { plan { plan { versions { version } } } } } }`);
    const [own, walked] = [[{ version: 1 }, { version: 3 }], { plan: { versions: [{ version: 1 }, { version: 3 }] } }];
    expect(data).toEqual({
      mine: {
        versions: [
          { version: 1, public: false },
          { version: 3, public: true },
        ],
        latest: { version: 3 },
      },
      theirs: null,
      offered: { versions: [{ version: 2 }] },
      plans: {
        nodes: [
          { id: "mine", versions: own },
          { id: "offered", versions: [{ version: 2 }] },
        ],
      },
      tenant: { plan: walked, assignments: [{ plan: walked }] },
    });
    const refs = ["mine@1", "mine@2", "theirs@1", "offered@2"].map((id) => ({ __typename: "PlanVersion", id }));
    const source = "query ($refs: [_Any!]!) { _entities(representations: $refs) { ... on PlanVersion { id } } }";
    expect((await asBuyer(source, { refs })).data._entities).toEqual([
      { id: "mine@1" },
      null,
      null,
      { id: "offered@2" },
    ]);
    const page = await asBuyer("{ plans(first: 1) { nodes { id } pageInfo { hasNextPage } } }");
    expect(page.data.plans).toEqual({ nodes: [{ id: "mine" }], pageInfo: { hasNextPage: true } });
    expect((await asAdmin(`{ plan(id: "mine") { versions { version } } }`)).data.plan.versions).toHaveLength(3);
  });

  test("other subgraphs' references are answered in order, in one query per kind, and only as far as they may be seen", async () => {
    const source = `query ($refs: [_Any!]!) { _entities(representations: $refs) {
      ... on Tenant { name plan { id } } ... on PlanVersion { version currency of: plan { name } } } }`;
    const refs = [
      ...["acme", "globex", "nobody", "acme"].map((id) => ({ __typename: "Tenant", id })),
      ...["pro@1", "pro@2", "nonsense"].map((id) => ({ __typename: "PlanVersion", id })),
    ];
    const queries = await queriesDuring(() => asAdmin(source, { refs }));
    expect(queries.result.data._entities).toEqual([
      { name: "acme", plan: { id: "pro@1" } },
      { name: "globex", plan: null },
      null,
      { name: "acme", plan: { id: "pro@1" } },
      { version: 1, currency: "EUR", of: { name: "pro" } },
      null,
      null,
    ]);
    // Tenants with their sizes and two histories, plan versions with theirs, and the plans of the tenants: no more for more
    // references.
    expect(queries.count).toBeLessThanOrEqual(8);
    const own = await as(keyOf("globex", ["READ"]))(source, { refs });
    expect(own.data._entities.slice(0, 2)).toEqual([null, { name: "globex", plan: null }]);
  });

  async function queriesDuring<T>(work: () => Promise<T>): Promise<{ result: T; count: number }> {
    const { pool } = world.database;
    let count = 0;
    const counter = () => {
      count += 1;
    };
    pool.on("acquire", counter);
    try {
      return { result: await work(), count };
    } finally {
      pool.off("acquire", counter);
    }
  }

  test("a quota override is kept with its history and audited; an invalid one is refused with all reasons", async () => {
    await asAdmin(
      `mutation { createPlan(input: { id: "limited", name: "Limited", version: { currency: "EUR", prices: [],
        limits: [{ window: HOUR, kind: HARD, limit: "10" }, { unit: MONEY, window: BILLING_PERIOD, kind: HARD, limit: "50" }] } }) { id } }`,
    );
    const { data } = await asAdmin(
      `{ plan(id: "limited") { latest { limits { meter unit currency window limit } } } }`,
    );
    expect(data.plan.latest.limits).toEqual([
      { meter: null, unit: "QUANTITY", currency: null, window: "HOUR", limit: "10" },
      { meter: null, unit: "MONEY", currency: "EUR", window: "BILLING_PERIOD", limit: "50" },
    ]);
    await world.tenant("helped", "limited");
    const set = (identity: Identity, changed: Readonly<Record<string, unknown>> = {}) =>
      as(identity)(
        `mutation ($tenantId: ID!, $meter: String, $limit: Decimal!, $until: DateTime!, $reason: String!) {
          setQuotaOverride(tenantId: $tenantId, meter: $meter, window: HOUR, limit: $limit, until: $until, reason: $reason) { ref } }`,
        {
          tenantId: "helped",
          limit: "20.50",
          until: new Date(NOW + 60_000).toISOString(),
          reason: "a launch",
          ...changed,
        },
      );
    const done = await set(admin);
    expect(done.codes).toEqual([]);
    const [helped] = await world.store.tenantsByIds(["helped"]);
    const version = helped?.version;
    expect(JSON.parse(done.data.setQuotaOverride.ref)).toEqual({
      tenantId: "helped",
      meter: null,
      window: "HOUR",
      version,
    });
    expect(helped?.quotaOverrides).toEqual([
      { meter: null, window: "HOUR", limit: "20.5", until: NOW + 60_000, reason: "a launch", inVersion: version },
    ]);
    const audit = await asAdmin(`{ auditLog(tenantId: "helped", first: 1) { nodes { action actor } } }`);
    expect(audit.data.auditLog.nodes).toEqual([{ action: "tenant.setQuotaOverride", actor: "user:root" }]);

    expect((await set(admin, { limit: "0" })).codes).toEqual([]);
    const inMoney = await asAdmin(
      `mutation { setQuotaOverride(tenantId: "helped", unit: MONEY, window: BILLING_PERIOD, kind: SOFT, limit: "80",
        until: "${new Date(NOW + 60_000).toISOString()}", reason: "a launch") { ref } }`,
    );
    expect(JSON.parse(inMoney.data.setQuotaOverride.ref)).toMatchObject({ unit: "MONEY", window: "BILLING_PERIOD" });
    const [softened] = await world.store.tenantsByIds(["helped"]);
    expect(softened?.quotaOverrides?.at(-1)).toMatchObject({ unit: "MONEY", kind: "SOFT", limit: "80" });
    const refused = await set(admin, { until: new Date(NOW).toISOString(), reason: " ", limit: "-1" });
    expect(refused.errors[0]?.extensions.errors).toMatchObject([
      { path: "limit" },
      { path: "reason" },
      { path: "until" },
    ]);
    expect((await set(admin, { meter: "calls" })).codes).toEqual(["INVALID"]);
    expect((await set(admin, { tenantId: "globex" })).codes).toEqual(["INVALID"]);
    expect((await set(admin, { tenantId: "nobody" })).codes).toEqual(["NOT_FOUND"]);
    expect((await set(keyOf("helped", ["ADMIN"]))).codes).toEqual(["FORBIDDEN"]);
  });

  test("what lists read counts towards what an operation may read, before they read it", async () => {
    await asAdmin(
      `mutation { issueApiKey(input: { tenantId: "acme", name: "counted", scopes: [READ] }) { apiKey { id } } }`,
    );
    const tenantAdmin = keyOf("acme", ["ADMIN"]);
    for (const [identity, query] of [
      [admin, "{ tenants(first: 200) { nodes { id } } }"],
      [admin, "{ plans(first: 200) { nodes { id } } }"],
      [admin, '{ acme: tenant(id: "acme") { id } globex: tenant(id: "globex") { id } }'],
      [admin, '{ pro: plan(id: "pro") { id } tiered: plan(id: "tiered") { id } }'],
      [tenantAdmin, '{ tenant(id: "acme") { apiKeys { id } } }'],
      [admin, "{ meters { key } }"],
      [tenantAdmin, "{ auditLog { nodes { before } } }"],
      [tenantAdmin, "{ auditLog { nodes { after } } }"],
    ] as const) {
      expect((await as(identity)(query)).codes, query).toEqual([]);
      const context = { identity };
      readSizeOf(context).take(MAX_READ_BYTES - 100);
      const { codes } = await ask(subgraph, identity, query, {}, context);
      expect(new Set(codes), query).toEqual(new Set(["TOO_LARGE"]));
    }
  });

  test("an operation reads the meters once, however often it asks for them", async () => {
    const reads = vi.spyOn(world.store, "activeMeters");
    const { codes, data } = await asAdmin(
      `{ ${Array.from({ length: 30 }, (_, n) => `a${n}: meters { key }`).join(" ")} }`,
    );
    expect(codes).toEqual([]);
    expect(data.a29).toEqual(data.a0);
    expect(data.a0.length).toBeGreaterThan(0);
    expect(reads).toHaveBeenCalledTimes(1);
    reads.mockRestore();
  });

  test("the audit log reads states only where they are asked for", async () => {
    const context = { identity: admin };
    readSizeOf(context).take(MAX_READ_BYTES);
    const { codes, data } = await ask(
      subgraph,
      admin,
      '{ auditLog(tenantId: "acme") { nodes { at actor action target } } }',
      {},
      context,
    );
    expect(codes).toEqual([]);
    expect(data.auditLog.nodes.length).toBeGreaterThan(0);
    const both = await asAdmin('{ auditLog(tenantId: "acme") { nodes { action before after } } }');
    const created = both.data.auditLog.nodes.find(({ action }: { action: string }) => action === "tenant.create");
    expect(created).toMatchObject({ before: null, after: { id: "acme" } });
  });
});
