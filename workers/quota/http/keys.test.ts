import { expect, test } from "vitest";
import { waitFor } from "../../../tests/servers/servers.js";
import { undisturbed } from "../../../tests/support/undisturbed.js";
import { describeRoom } from "../room.testing.js";
import type { World } from "../world.testing.js";

const MAX_KEYS = 12;

function prepare(world: World): void {
  world.meter("calls");
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n", eventType: "use.tokens" });
  world.plan("ten", [{ limit: "10" }]);
  world.plan("two", [
    { limit: "1000", meter: "tokens" },
    { limit: "1", meter: "calls" },
  ]);
}

describeRoom(
  "an idempotency key",
  prepare,
  (room) => {
    test("the same key again answers the same and charges once; release gives back", async () => {
      const { headers } = room.tenant("idempotent", "ten");
      const request = { meter: "calls", amount: "6", idempotencyKey: "a" };
      const first = await room.post("consume", headers, request);
      const again = await room.post("consume", headers, request);
      expect([again.status, again.body]).toEqual([200, first.body]);
      expect((await room.post("release", headers, { idempotencyKey: "a" })).body).toEqual({ released: true });
      expect((await room.post("release", headers, { idempotencyKey: "a" })).body).toEqual({ released: false });
      expect((await room.post("check", headers, { meter: "calls" })).body.limits[0]).toMatchObject({
        reserved: "0",
        remaining: "10",
      });
    });

    test("a key stands for its meter and amount: with others it is a conflict, and charges nothing", async () => {
      const { id, headers } = room.tenant("conflict", "two");
      const consume = (idempotencyKey: string, amount: string | number, meter = "tokens") =>
        room.post("consume", headers, { meter, amount, idempotencyKey });
      const conflicts = async (amount: string, meter?: string) => {
        const { status, body } = await consume("k", amount, meter);
        expect([status, body.code, body.detail]).toEqual([
          409,
          "CONFLICT",
          expect.stringMatching(/tokens 1\b.*not for/),
        ]);
      };
      expect((await consume("k", "1")).status).toBe(200);
      for (const same of ["1", "1.0", 1]) expect((await consume("k", same)).status).toBe(200);
      for (const other of ["2", "999", "999999"]) await conflicts(other);
      expect((await consume("fill", "999")).status).toBe(200);
      await conflicts("500");
      await conflicts("1", "calls");
      expect(await room.look(headers, "tokens")).toMatchObject({ used: "0", reserved: "1000" });
      await room.use(id, "use.tokens", { k: 1 });
      await room.shows({ headers }, "tokens", "1");
      const again = await consume("k", "1");
      expect([again.status, again.body.limits[0]?.used]).toEqual([200, "1"]);
      await conflicts("700");
    });

    test("a denied or released key is free for another request, a look has none", async () => {
      const { headers } = room.tenant("free-key", "two");
      const consume = async (amount: string) =>
        (await room.post("consume", headers, { meter: "tokens", amount, idempotencyKey: "k" })).status;
      expect((await room.post("check", headers, { meter: "tokens", amount: "7", idempotencyKey: "k" })).status).toBe(
        200,
      );
      expect(await consume("1001")).toBe(429);
      expect(await consume("3")).toBe(200);
      expect((await room.post("release", headers, { idempotencyKey: "k" })).body).toEqual({ released: true });
      expect(await consume("4")).toBe(200);
      expect(await room.look(headers, "tokens")).toMatchObject({ reserved: "4" });
    });

    test("a key is free again when its reservation has expired, and not before", async () => {
      const consume = (headers: Record<string, string>, amount: string, ttlSeconds: number) =>
        room.post("consume", headers, { meter: "tokens", amount, idempotencyKey: "k", ttlSeconds });
      const { headers, first } = await undisturbed(1_000, async (withinMs, n) => {
        const { headers } = room.tenant(`expired-key-${n}`, "two");
        const first = await consume(headers, "1", withinMs / 1_000);
        expect((await consume(headers, "2", 1)).status).toBe(409);
        return { headers, first };
      });
      await waitFor(() => Date.now() > Date.parse(first.body.expiresAt ?? ""), { what: "the reservation to expire" });
      await waitFor(async () => (await consume(headers, "2", 60)).status === 200, { what: "the key to be free" });
      expect(await room.look(headers, "tokens")).toMatchObject({ reserved: "2" });
    });

    test("a tenant has a bounded number of keys alive, and is told so", async () => {
      const { headers } = room.tenant("many", "two");
      const consume = (idempotencyKey: string) =>
        room.post("consume", headers, { meter: "tokens", amount: "1", idempotencyKey });
      for (let n = 0; n < MAX_KEYS; n += 1) expect((await consume(`k${n}`)).status).toBe(200);
      const beyond = await consume("beyond");
      expect([beyond.status, beyond.body.code, beyond.body.detail]).toEqual([
        ...[429, "TOO_MANY_KEYS", expect.stringContaining(String(MAX_KEYS))],
      ]);
      expect(beyond.headers["content-type"]).toMatch(/^application\/problem\+json/);
      expect((await consume("k0")).status).toBe(200);
      expect((await room.post("check", headers, { meter: "tokens" })).body.allowed).toBe(true);
      await room.post("release", headers, { idempotencyKey: "k0" });
      const item = { meter: "tokens", amount: "1" };
      const answers = await room.batch(headers, [
        { ...item, idempotencyKey: "one" },
        { ...item, idempotencyKey: "two" },
      ]);
      expect(answers.map(({ allowed, code }) => code ?? allowed)).toEqual([true, "TOO_MANY_KEYS"]);
    });
  },
  { maxKeys: MAX_KEYS },
);
