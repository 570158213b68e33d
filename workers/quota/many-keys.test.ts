import { describe, expect, test } from "vitest";
import { hasPostgres } from "../../tests/servers/servers.js";
import type { Answer } from "./room.testing.js";
import { openWorld } from "./world.testing.js";

const MOST = 2_500;

describe.skipIf(!hasPostgres)("a tenant with as many keys as it may have", () => {
  test("is told so and how many, while others are served, and everybody's keys survive a restart", async () => {
    const world = await openWorld({ maxKeys: MOST });
    world.meter("units", { aggregation: "SUM", valueProperty: "n", eventType: "use.units" });
    world.plan("large", [
      { meter: "units", limit: "100000000" },
      { meter: "units", limit: "100000000", window: "MINUTE" },
    ]);
    for (const id of ["flooding", "other"]) world.tenant(id, "large");
    const keys = { flooding: world.key("flooding"), other: world.key("other") };
    let service = await world.startService();
    async function post<T>(who: keyof typeof keys, path: string, payload: object): Promise<T> {
      const url = `/v1/quota/${path}`;
      const response = await service.app.inject({ method: "POST", url, headers: keys[who], payload });
      return response.json<T>();
    }
    const asked = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => ({
        ...{ meter: "units", amount: "1", ttlSeconds: 86_400 },
        idempotencyKey: String(from + index).padStart(256, "k"),
      }));
    await post("other", "consume", { meter: "units", amount: "600", idempotencyKey: "mine", ttlSeconds: 86_400 });

    const answers: Answer[] = [];
    for (let from = 0; from < 3_000; from += 1_000)
      answers.push(...(await post<Answer[]>("flooding", "batch", asked(from, 1_000))));
    expect(answers.findIndex(({ allowed }) => allowed !== true)).toBe(MOST);
    expect(answers[MOST]).toMatchObject({ status: 429, code: "TOO_MANY_KEYS", detail: expect.stringMatching(/2500/) });
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(MOST);

    for (const restarts of [0, 1]) {
      expect(await post("other", "check", { meter: "units", amount: "1" })).toMatchObject({
        reason: "WITHIN_LIMITS",
        limits: [{ reserved: "600" }, { reserved: "600" }],
      });
      const again = await post<Answer>("flooding", "consume", asked(7, 1)[0] ?? {});
      expect(again).toMatchObject({ allowed: true, limits: [{ reserved: String(MOST - restarts) }, {}] });
      expect(await post("flooding", "release", { idempotencyKey: asked(restarts, 1)[0]?.idempotencyKey })).toEqual({
        released: true,
      });
      if (restarts > 0) continue;
      await service.stop();
      service = await world.startService();
    }
    expect(await post("flooding", "consume", asked(9_000, 1)[0] ?? {})).toMatchObject({ allowed: true });
    await service.stop();
    await world.close();
  });
});
