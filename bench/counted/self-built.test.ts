import { expect, test } from "vitest";
import { createTestDatabase, hasPostgres } from "../../tests/servers/servers.js";
import { buildSelfBuilt } from "./self-built.js";

const eventOf = (id: string, source = "bench") => ({
  specversion: "1.0",
  id,
  source,
  type: "api.request",
  data: { n: 1 },
});

test.skipIf(!hasPostgres)("the self-built service counts each event exactly once", async () => {
  const database = await createTestDatabase("self-built");
  const tenants = new Map([
    ["key a", "acme"],
    ["key b", "other"],
  ]);
  const { app, stop } = await buildSelfBuilt({ databaseUrl: database.url, tenants });
  try {
    const send = async (key: string, events: readonly object[]) => {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/cloudevents-batch+json" };
      const answer = await app.inject({ method: "POST", url: "/v1/events", headers, payload: JSON.stringify(events) });
      return [answer.statusCode, answer.json()];
    };
    const totals = async (key: string) =>
      (await app.inject({ url: "/v1/totals", headers: { authorization: `Bearer ${key}` } })).json();

    const batches = Array.from({ length: 20 }, (_, b) => Array.from({ length: 100 }, (_, n) => eventOf(`${b}-${n}`)));
    // Each batch twice at once, the second time backwards, so that copies meet in the index.
    await Promise.all(batches.flatMap((batch) => [send("key a", batch), send("key a", batch.toReversed())]));
    expect(await totals("key a")).toEqual({ "api.request": 2_000 });

    const again = [eventOf("0-0"), eventOf("new"), eventOf("new"), eventOf("0-0", "elsewhere")];
    expect(await send("key a", again)).toEqual([202, { accepted: 2, duplicates: 2 }]);
    expect(await send("key b", [eventOf("0-0")])).toEqual([202, { accepted: 1, duplicates: 0 }]);
    expect(await totals("key a")).toEqual({ "api.request": 2_002 });
    expect(await totals("key b")).toEqual({ "api.request": 1 });
    expect((await send("no key", [eventOf("x")]))[0]).toBe(401);
    expect((await send("key a", [{ id: "x" }]))[0]).toBe(400);
  } finally {
    await stop();
    await database.drop();
  }
});
