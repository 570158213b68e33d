import { describe, expect, test } from "vitest";
import { createKeyThrottle } from "#platform/auth/key-throttle.js";
import { waitFor } from "../tests/servers/servers.js";
import { startGatewayWorld } from "../tests/systems/gateway/world.js";
import { socketConformance } from "./socket.conformance.js";

describe("the WebSocket, with subgraphs in this process", () => socketConformance({ subgraphs: "local" }));
describe("the WebSocket, with subgraphs behind ports", () => socketConformance({ subgraphs: "remote" }));

test("an address with too many wrong keys is throttled, but a valid key is accepted", async () => {
  const good = new Set<string>();
  const world = await startGatewayWorld({ throttle: createKeyThrottle((authorization) => good.has(authorization)) });
  try {
    const closeOf = (token: string) =>
      new Promise<readonly [number, string]>((resolve) => {
        const client = world.socket(token, (code, reason) => resolve([code, reason]));
        client.subscribe({ query: "{ whoAmI }" }, { next() {}, error() {}, complete() {} });
      });
    const burst = () => Promise.all(Array.from({ length: 60 }, (_, n) => closeOf(`mtr_live_wrong${n}`)));
    expect((await burst()).filter(([code]) => code === 4401).length).toBeGreaterThanOrEqual(50);
    // One attempt a second comes back, so that a slow machine needs more than one burst.
    const refused = await waitFor(async () => (await burst()).find(([code]) => code === 1013), { what: "a refusal" });
    expect(refused).toEqual([1013, "TOO_MANY_ATTEMPTS"]);
    const key = world.issueKey("good", ["READ"], "acme");
    good.add(`Bearer ${key}`);
    const { value } = await world.socket(key).iterate({ query: "{ whoAmI }" }).next();
    expect(value.data).toEqual({ whoAmI: "good" });
  } finally {
    await world.stop();
  }
});
