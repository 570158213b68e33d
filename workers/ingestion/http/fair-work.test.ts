import { gzipSync } from "node:zlib";
import { pino } from "pino";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { createHttpServer } from "#platform/http/server.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { createMetrics } from "../metrics.js";
import { apiKeyState, tenantState } from "../world.testing.js";
import { registerEdge } from "./events.js";

/** The edge before a log that only notes whose items it gets, in their order. */
async function openEdge() {
  const { reads, apply, close } = createTenancyState(systemClock);
  const worked: string[] = [];
  const app = createHttpServer(pino({ level: "silent" }));
  registerEdge(app, {
    tenancy: { ...reads, stop: async () => close() },
    clock: systemClock,
    appender: { append: async (_, sender) => void worked.push(sender), stop: async () => undefined },
    metrics: createMetrics(new Registry()),
    events: {
      find: async () => undefined,
      conflicts: async () => [],
      recordedThrough: async () => undefined,
    },
  });
  await app.ready();
  let sent = 0;
  return {
    worked,
    close: () => app.close(),
    /** Sends one event with this many bytes of data as the tenant, or a batch of such events. */
    sender(tenantId: string, bytes: number, coding: "gzip" | "identity", events = 1) {
      const { state, secret } = apiKeyState(tenantId);
      apply(tenantState(tenantId));
      apply(state);
      const headers = { authorization: `Bearer ${secret}`, "content-type": "application/json" };
      const event = () => {
        sent += 1;
        return { specversion: "1.0", source: "test", type: "t", id: `e${sent}`, data: "x".repeat(bytes) };
      };
      return async () => {
        const text = JSON.stringify(events === 1 ? event() : Array.from({ length: events }, event));
        const payload = coding === "gzip" ? gzipSync(text) : text;
        const response = await app.inject({
          ...{ method: "POST", url: "/v1/events", payload },
          headers: { ...headers, "content-encoding": coding },
        });
        return response.statusCode;
      };
    },
  };
}

test.each([
  ["1,000 small requests", 1_000, 10, "identity", 90],
  ["100 bodies of 60 kB", 100, 60_000, "identity", 40],
  ["100 bodies that inflate to 60 kB", 100, 60_000, "gzip", 40],
] as const)(
  "behind %s of one tenant another's small ones are among the next",
  async (_, count, bytes, coding, within) => {
    const { worked, sender, close } = await openEdge();
    const [loud, quiet] = [sender("loud", bytes, coding), sender("quiet", 10, "identity")];
    const sent = Array.from({ length: count }, loud);
    sent.push(...Array.from({ length: 30 }, quiet));
    expect(new Set(await Promise.all(sent))).toEqual(new Set([202]));
    expect(worked).toHaveLength(count + 30);
    // Senders alternate by bytes of work.
    expect(worked.lastIndexOf("quiet")).toBeLessThan(within);
    await close();
  },
);

test("another's small request goes between the parts of a large batch", async () => {
  const { worked, sender, close } = await openEdge();
  const [batch, quiet] = [sender("loud", 200, "identity", 1_000), sender("quiet", 10, "identity")];
  expect(await Promise.all([batch(), quiet()])).toEqual([202, 202]);
  expect(worked).toEqual(["quiet", "loud"]);
  await close();
});
