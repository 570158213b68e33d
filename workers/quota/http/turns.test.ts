import { pino } from "pino";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { generateApiKey } from "#platform/auth/api-keys.js";
import { createHttpServer } from "#platform/http/server.js";
import type { ShareLimits } from "#platform/lifecycle/shares.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import type { Gate } from "../gate/gate.js";
import { createMetrics } from "../metrics.js";
import { registerDataPlane } from "./data-plane.js";

/** The data plane before a gate that only notes whose requests it gets, in their order. */
async function openDataPlane(pending?: ShareLimits) {
  const { reads, apply, close } = createTenancyState(systemClock);
  const decided: string[] = [];
  const app = createHttpServer(pino({ level: "silent" }));
  registerDataPlane(app, {
    gate: {
      async batch(tenantId: string, requests: readonly unknown[]) {
        for (const _ of requests) decided.push(tenantId);
        return requests.map(() => ({ kind: "released", released: true }));
      },
    } as unknown as Gate,
    denials: { remember: () => undefined, find: async () => undefined },
    tenancy: { ...reads, stop: async () => close() },
    clock: systemClock,
    metrics: createMetrics(new Registry()),
    ...(pending !== undefined && { pending }),
  });
  await app.ready();
  let version = 0;
  return {
    decided,
    close: () => app.close(),
    /** Sends batches of this many releases as the tenant. */
    sender(tenantId: string, items: number) {
      const { secret, hash, prefix } = generateApiKey(false);
      version += 1;
      apply({
        ...{ kind: "apiKey", id: `key_${version}`, version, tenantId, name: "test", prefix, hash, scopes: ["QUOTA"] },
        ...{ test: false, createdAt: 0, expiresAt: null, revokedAt: null },
      });
      const payload = Array.from({ length: items }, (_, n) => ({ operation: "release", idempotencyKey: `k${n}` }));
      return async () => {
        const headers = { authorization: `Bearer ${secret}` };
        return (await app.inject({ method: "POST", url: "/v1/quota/batch", headers, payload })).statusCode;
      };
    },
  };
}

test("behind fifty large batches of one tenant another's small one is among the next", async () => {
  const { decided, sender, close } = await openDataPlane();
  const [loud, quiet] = [sender("loud", 1_000), sender("quiet", 1)];
  const sent = Array.from({ length: 50 }, loud);
  sent.push(quiet());
  expect(new Set(await Promise.all(sent))).toEqual(new Set([200]));
  expect(decided).toHaveLength(50_001);
  // Not even one of them is decided as a whole first.
  expect(decided.indexOf("quiet")).toBeLessThan(500);
  await close();
});

test("requests that wait are bounded by bytes; one tenant's leave room for another's, and all of it is given back", async () => {
  const { sender, close } = await openDataPlane({ shared: 200_000, max: 300_000 });
  const [loud, quiet] = [sender("loud", 1_000), sender("quiet", 1)];
  for (let round = 0; round < 3; round += 1) {
    const sent = Array.from({ length: 20 }, loud);
    const statuses = await Promise.all([...sent, quiet(), quiet()]);
    expect(statuses.filter((status) => status === 503).length).toBeGreaterThan(10);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(4);
    expect(statuses.slice(-2)).toEqual([200, 200]);
  }
  await close();
});
