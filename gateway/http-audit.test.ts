import { serverAudits } from "graphql-http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GatewayWorld, startGatewayWorld } from "../tests/systems/gateway/world.js";

let world: GatewayWorld;
beforeAll(async () => {
  world = await startGatewayWorld();
});
afterAll(() => world.stop());

/** The audits of the GraphQL over HTTP specification, asked as somebody who may. */
const audits = serverAudits({
  url: () => `${world.url}/graphql`,
  fetchFn: (url: string, init?: RequestInit) => {
    const headers = new Headers(init?.headers);
    headers.set("authorization", `Bearer ${world.admin}`);
    // What no foreign page can send: without it a GET is refused, whatever it asks.
    headers.set("apollo-require-preflight", "true");
    return fetch(url, { ...init, headers });
  },
});

test.each(audits.map((audit) => [audit.name, audit] as const))("GraphQL over HTTP: %s", async (_, audit) => {
  const result = await audit.fn();
  expect("reason" in result ? result.reason : result.status).toBe("ok");
});
