import { suggestionList } from "graphql/jsutils/suggestionList.js";
import { expect, test, vi } from "vitest";
import { describeRoom } from "../room.testing.js";
import type { World } from "../world.testing.js";

vi.mock("graphql/jsutils/suggestionList.js", async (original) => {
  const real = await original<{ suggestionList: typeof suggestionList }>();
  return { suggestionList: vi.fn(real.suggestionList) };
});

function prepare(world: World): void {
  world.meter("calls");
  world.meter("tokens", { aggregation: "SUM", valueProperty: "n" });
  world.plan("ten", [{ limit: "10" }]);
  // Only its own tenants are told of it.
  world.meter("tokenz_of_others");
  world.plan("others", [{ limit: "1", meter: "tokenz_of_others" }]);
  world.plan("thousand", [{ limit: "1000", meter: "tokens" }]);
}

describeRoom("a batch", prepare, (room) => {
  test("a batch answers in order, and one bad item spoils no other", async () => {
    const { headers } = room.tenant("batch", "ten");
    const response = await room.service().app.inject({
      method: "POST",
      url: "/v1/quota/batch",
      headers,
      payload: [
        { meter: "calls", amount: "6", idempotencyKey: "a" },
        { meter: "nothing", idempotencyKey: "b" },
        { meter: "calls", amount: "6", idempotencyKey: "c" },
        { operation: "check", meter: "calls", amount: "4" },
      ],
    });
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject([
      { allowed: true },
      { code: "INVALID", detail: expect.stringContaining("meter") },
      { allowed: false },
      { allowed: true },
    ]);
  });

  const consume = (idempotencyKey: string, amount: number) => ({
    ...{ operation: "consume", meter: "tokens", amount: String(amount), idempotencyKey },
  });
  const release = (idempotencyKey: string) => ({ operation: "release", idempotencyKey });
  const [yes, no, given] = ["WITHIN_LIMITS", "LIMIT_EXCEEDED", "released"];

  test.each([
    ["consume, release", 0, [consume("a", 100), release("a")], [yes, given], "0"],
    ["consume everything, consume one more", 0, [consume("a", 1000), consume("b", 1)], [yes, no], "1000"],
    ["release, consume everything", 900, [release("held"), consume("a", 1000)], [given, yes], "1000"],
    [
      ...["consume, release, consume", 900, [consume("a", 200), release("held"), consume("b", 200)]],
      ...[[no, given, yes], "200"],
    ],
    [
      ...["twelve of which ten fit", 0, Array.from({ length: 12 }, (_, n) => consume(`k${n}`, 100))],
      ...[[...Array(10).fill(yes), no, no], "1000"],
    ],
  ] as const)("takes effect in its order: %s", async (name, held, items, expected, reserved) => {
    for (const isWarm of [false, true]) {
      const { headers } = room.tenant(`${name}-${isWarm}`, "thousand");
      // The first consume of a tenant asks the database for room; later ones may not need to.
      if (isWarm) await room.batch(headers, [consume("warm", 100), release("warm")]);
      if (held > 0) await room.post("consume", headers, consume("held", held));
      const answers = await room.batch(headers, items);
      expect(answers.map(({ reason, released }) => (released === true ? given : reason))).toEqual(expected);
      expect(await room.look(headers, "tokens")).toMatchObject({ reserved });
    }
  });

  test("of several tenants with a platform key keeps each one's order and answers in its own", async () => {
    const tenants = [0, 1, 2].map((n) => room.tenant(`mixed-${n}`, "thousand"));
    const platform = room.world().key(null);
    const items = [0, 1].flatMap((round) =>
      tenants.map(({ id }) => ({ ...consume(`k${round}`, 600 + round), tenantId: id })),
    );
    const answers = await room.batch(platform, [...items, { ...consume("a", 1), tenantId: "nobody" }]);
    expect(answers.map(({ reason, code }) => code ?? reason)).toEqual([yes, yes, yes, no, no, no, "NOT_FOUND"]);
  });

  test("names the meter of the tenant's own plans that a misspelt one resembles, once per request", async () => {
    const { id, headers } = room.tenant("misspelt", "thousand");
    const other = room.tenant("other", "others");
    const detailOf = async (key: typeof headers, asked: object) => (await room.post("check", key, asked)).body.detail;
    const unknown = (meter: string) => `meter: there is no meter "${meter}"`;
    const near = (meter: string) => `${unknown(meter)}; did you mean "tokens"?`;
    const comparisons = vi.mocked(suggestionList).mockClear();
    expect(await detailOf(headers, { meter: "tokns" })).toBe(near("tokns"));
    expect(comparisons).toHaveBeenCalledTimes(1);
    expect(await detailOf(headers, { meter: "tokenz_of_other" })).toBe(unknown("tokenz_of_other"));
    expect(await detailOf(headers, { meter: "nothing like it" })).toBe(unknown("nothing like it"));
    const platform = room.world().key(null);
    expect(await detailOf(platform, { meter: "Tokens", tenantId: id })).toBe(near("Tokens"));
    expect(await detailOf(platform, { meter: "tokns", tenantId: other.id })).toBe(unknown("tokns"));
    expect(await detailOf(headers, { meter: "tokenz_of_other", tenantId: other.id })).toBe(unknown("tokenz_of_other"));
    const items = Array.from({ length: 10 }, (_, n) => ({ operation: "check", meter: `tokens${n}` }));
    comparisons.mockClear();
    const answers = await room.batch(headers, items);
    expect(answers.map(({ detail }) => detail)).toEqual(
      items.map(({ meter }, n) => (n === 0 ? near(meter) : unknown(meter))),
    );
    expect(comparisons).toHaveBeenCalledTimes(1);
  });

  test("has an item's conflict in its place", async () => {
    const { headers } = room.tenant("conflicting", "thousand");
    const answers = await room.batch(headers, [consume("a", 1), consume("a", 2), consume("a", 1), release("b")]);
    expect(answers.map(({ reason, code, released }) => code ?? reason ?? released)).toEqual([
      yes,
      "CONFLICT",
      yes,
      false,
    ]);
    expect(await room.look(headers, "tokens")).toMatchObject({ reserved: "1" });
  });
});
