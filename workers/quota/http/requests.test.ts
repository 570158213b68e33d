import { expect, test } from "vitest";
import { describeRoom } from "../room.testing.js";
import type { World } from "../world.testing.js";

function prepare(world: World): void {
  world.meter("calls");
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n" });
  world.plan("ten", [{ limit: "10" }]);
  world.plan("large", [{ limit: "10000000000000000", meter: "tokens" }]);
}

describeRoom("a request", prepare, (room) => {
  test("unauthorized and invalid requests get a problem document", async () => {
    const { id, headers } = room.tenant("errors", "ten");
    const ingest = room.world().key(id, ["INGEST"]);
    const platform = room.world().key(null);
    const ok = { meter: "calls", idempotencyKey: "a" };
    const cases: [Record<string, string>, object | string, number, string][] = [
      [{}, ok, 401, "UNAUTHENTICATED"],
      [ingest, ok, 403, "FORBIDDEN"],
      [platform, ok, 400, "SUBJECT_REQUIRED"],
      [platform, { ...ok, tenantId: "nobody" }, 404, "NOT_FOUND"],
      [headers, { ...ok, tenantId: "other" }, 400, "SUBJECT_MISMATCH"],
      [headers, { meter: "calls" }, 400, "INVALID"],
      [headers, { ...ok, amount: "-1" }, 400, "INVALID"],
      [headers, '{"meter":"calls","idempotencyKey":"a","amount":0.99999999999999999999}', 400, "NUMBER_NOT_EXACT"],
      [headers, { ...ok, amount: "1e3" }, 400, "INVALID"],
      [headers, { ...ok, ttlSeconds: 0 }, 400, "INVALID"],
      [headers, { ...ok, ttlSeconds: 86_401 }, 400, "INVALID"],
      [headers, { ...ok, idempotencyKey: "k".repeat(257) }, 400, "INVALID"],
      [headers, { ...ok, meter: 7 }, 400, "INVALID"],
      [headers, { ...ok, ammount: "3" }, 400, "INVALID"],
      [headers, { ...ok, dimensions: { user: 1 } }, 400, "INVALID"],
      [headers, { ...ok, dimensions: { "two\nlines": 1 } }, 400, "INVALID"],
      [headers, { ...ok, idempotencyKey: "nul\0" }, 400, "INVALID"],
      [headers, { ...ok, idempotencyKey: "half \ud800" }, 400, "INVALID"],
      [headers, [], 400, "MALFORMED"],
    ];
    for (const [who, payload, status, code] of cases) {
      const response = await room.post("consume", who, payload);
      expect([payload, response.status, response.body.code]).toEqual([payload, status, code]);
      expect(response.headers["content-type"]).toMatch(/^application\/problem\+json/);
    }
    const taken = { ...ok, tenantId: id, dimensions: { user: "u1" } };
    expect((await room.post("consume", platform, taken)).status).toBe(200);
    const large = await room.post("batch", headers, Array(1_001).fill(ok));
    expect([large.status, large.body.code]).toEqual([413, "TOO_LARGE"]);
  });

  test.each(["1.00000000000000001", "9007199254740990.6", "9007199254740993", "123456789012345678"])(
    "the number %s is refused, for it would be read as another",
    async (amount) => {
      const { headers } = room.tenant(`inexact-${amount}`, "large");
      for (const path of ["check", "consume"]) {
        const text = `{"meter":"tokens","amount":${amount},"idempotencyKey":"a"}`;
        const { status, body } = await room.post(path, headers, text);
        expect([status, body.code, body.detail]).toEqual([400, "NUMBER_NOT_EXACT", expect.stringContaining(amount)]);
      }
      const [refused, taken] = await room.batch(
        headers,
        `[{"meter":"tokens","amount":${amount},"idempotencyKey":"b"},{"meter":"tokens","amount":2,"idempotencyKey":"c"}]`,
      );
      expect([refused?.code, taken?.allowed]).toEqual(["NUMBER_NOT_EXACT", true]);
    },
  );

  test("every amount that keeps its digits is taken, as a number and as text", async () => {
    const { headers } = room.tenant("exact", "large");
    const amounts = ["7", "7.0", "0.1", "1e-7", '"0.5"', '"1.000000000001"', '"99999999999990.399998999999"'];
    for (const amount of amounts) {
      const text = `{"meter":"tokens","amount":${amount},"idempotencyKey":${JSON.stringify(amount)}}`;
      expect((await room.post("consume", headers, text)).status).toBe(200);
    }
    const left = await room.look(headers, "tokens");
    expect([left?.reserved, left?.remaining]).toEqual(["100000000000005.9999991", "9899999999999994.0000009"]);
  });
});
