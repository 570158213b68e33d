import { graphql } from "graphql";
import { expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { waitFor } from "../../../tests/servers/servers.js";
import { describeRoom } from "../room.testing.js";
import type { World } from "../world.testing.js";

function prepare(world: World): void {
  world.meter("calls");
  world.plan("ten", [{ limit: "10", warnAt: ["0.5", "0.8"] }]);
}

describeRoom("the graph", prepare, (room) => {
  test("a denial can be looked up by its key, by its own tenant", async () => {
    const { id, headers } = room.tenant("explained", "ten");
    const denied = { meter: "calls", amount: "11", idempotencyKey: "job/1?x" };
    const look = async (query: Record<string, string>, as = headers) => {
      const url = `/v1/quota/denial?${new URLSearchParams(query)}`;
      const response = await room.service().app.inject({ method: "GET", url, headers: as });
      return { status: response.statusCode, body: response.json() };
    };
    expect((await look({ idempotencyKey: denied.idempotencyKey })).status).toBe(404);
    await room.post("consume", headers, { ...denied, amount: "10.5" });
    await room.post("consume", headers, denied);
    const found = await waitFor(
      async () => {
        const answer = await look({ idempotencyKey: denied.idempotencyKey });
        return answer.status === 200 && answer.body.amount === "11" && answer.body;
      },
      { what: "the denial to be found" },
    );
    expect(found).toMatchObject({
      allowed: false,
      reason: "AMOUNT_EXCEEDS_LIMIT",
      explanation: "Denied: the amount alone exceeds a hard limit",
      plan: { id: "ten", version: 1 },
      limits: [{ meter: "calls", limit: "10", used: "0", reserved: "0", denies: true }],
    });
    expect(Math.abs(Date.parse(found.deniedAt) - Date.now())).toBeLessThan(HOUR_MS);
    const { headers: other } = room.tenant("other", "ten");
    expect((await look({ idempotencyKey: denied.idempotencyKey }, other)).status).toBe(404);
    expect((await look({ idempotencyKey: denied.idempotencyKey, tenantId: id }, other)).body.code).toBe(
      "SUBJECT_MISMATCH",
    );
    expect((await look({})).body.code).toBe("INVALID");
    const schema = room.service().service.subgraph?.schema;
    if (schema === undefined) throw new Error("no subgraph");
    const { data } = await graphql({
      schema,
      source: `query ($id: ID!) { _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant {
        quotaDenial(idempotencyKey: "job/1?x") { amount reason limits { denies } } } } }`,
      variableValues: { id },
      contextValue: {
        identity: { kind: "SERVICE", id: "test", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] },
      },
    });
    expect(JSON.parse(JSON.stringify(data))).toEqual({
      _entities: [{ quotaDenial: { amount: "11", reason: "AMOUNT_EXCEEDS_LIMIT", limits: [{ denies: true }] } }],
    });
  });

  test("the graph waits for a tenant that was created a moment ago", async () => {
    const schema = room.service().service.subgraph?.schema;
    if (schema === undefined) throw new Error("no subgraph");
    const id = `newcomer-${room.backend === "Redis" ? "r" : "m"}`;
    const { tenancy, tenant } = room.world();
    tenancy.caughtUp = async () => tenant(id, "ten");
    const answer = graphql({
      schema,
      source: `query ($id: ID!) { _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant { quotas { used } } } }`,
      variableValues: { id },
      contextValue: { identity: { kind: "USER", id: "u", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] } },
    });
    expect(JSON.parse(JSON.stringify((await answer).data))).toEqual({ _entities: [{ quotas: [{ used: "0" }] }] });
  });

  test("the graph shows the data plane's numbers", async () => {
    const { id, headers } = room.tenant("graph", "ten");
    await room.post("consume", headers, { meter: "calls", amount: "5", idempotencyKey: "a" });
    const schema = room.service().service.subgraph?.schema;
    if (schema === undefined) throw new Error("no subgraph");
    const ask = (tenantId: string) =>
      graphql({
        schema,
        source: `query ($id: ID!) { _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant {
          quotas { limit { meter window kind limit warnAt } used reserved remaining state meterArchived } } } }`,
        variableValues: { id },
        contextValue: {
          identity: { kind: "USER", id: "u", tenantId, roles: ["TENANT_VIEWER"], scopes: [] },
        },
      });
    expect(JSON.parse(JSON.stringify((await ask(id)).data))).toEqual({
      _entities: [
        {
          quotas: [
            {
              limit: { meter: "calls", window: "BILLING_PERIOD", kind: "HARD", limit: "10", warnAt: ["0.5", "0.8"] },
              used: "0",
              reserved: "5",
              remaining: "5",
              state: "WARNING",
              meterArchived: false,
            },
          ],
        },
      ],
    });
    expect((await ask("other")).data).toEqual({ _entities: [null] });
    room.world().meter("calls", { archivedInVersion: 1 });
    expect(JSON.stringify((await ask(id)).data)).toContain('"meterArchived":true');
    room.world().meter("calls");
  });

  test("the graph shows the limits of one meter, of requests only without a meter", async () => {
    room.world().meter("tokens");
    room.world().plan("three", [{ limit: "10" }, { meter: "tokens", limit: "20" }, { meter: null, limit: "30" }]);
    const { id } = room.tenant("one-meter", "three");
    const schema = room.service().service.subgraph?.schema;
    if (schema === undefined) throw new Error("no subgraph");
    const identity = { kind: "USER", id: "u", tenantId: id, roles: ["TENANT_VIEWER"], scopes: [] };
    const limitsOf = async (meter?: string | null) => {
      const { data } = await graphql({
        schema,
        source: `query ($id: ID!, $meter: String) { _entities(representations: [{ __typename: "Tenant", id: $id }]) { ... on Tenant {
          quotas(meter: $meter) { limit { limit } } } } }`,
        variableValues: { id, ...(meter !== undefined && { meter }) },
        contextValue: { identity },
      });
      return JSON.stringify(data).match(/\d+/g);
    };
    expect(await limitsOf("tokens")).toEqual(["20"]);
    for (const all of [undefined, null]) expect(await limitsOf(all)).toEqual(["10", "20", "30"]);
    expect(await limitsOf("none")).toBeNull();
  });
});
