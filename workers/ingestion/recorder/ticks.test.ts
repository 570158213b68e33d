import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { manualClock } from "#kernel/clock.js";
import { USAGE_RECEIVED } from "#schema/topics.js";
import { hasPostgres, waitFor } from "../../../tests/servers/servers.js";
import { openWorld, type World } from "../world.testing.js";
import { startTicks } from "./ticks.js";

describe.skipIf(!hasPostgres)("the clock in the log", () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld({ partitions: 2 });
  });
  afterEach(() => world.close());

  const logged = async (partition: number) =>
    (await world.log.read(USAGE_RECEIVED, partition, 0, 1_000)).map(({ value }) => JSON.parse(value.toString("utf8")));

  function start(clock = manualClock(Date.now())) {
    const ticks = startTicks({
      ...world,
      clock,
      logger: pino({ level: "silent" }),
      intervalMs: 20,
      assigned: () => [1],
    });
    return { clock, ticks };
  }

  test("a tick goes to every partition that is recorded here, and to no other", async () => {
    const { clock, ticks } = start();
    await waitFor(async () => (await logged(1)).length >= 2, { what: "two ticks" });
    await ticks.stop();
    expect((await logged(1))[0]).toEqual({ kind: "tick", at: clock.now() });
    expect(await logged(0)).toEqual([]);
    expect(ticks.problem()).toBeUndefined();
  });

  test.each([-120_000, 120_000])(
    "no tick is appended by a clock that is %i ms off, until it is right again",
    async (offMs) => {
      const began = Date.now();
      const { clock, ticks } = start(manualClock(began + offMs));
      const [, seconds] = await waitFor(() => /database's differ by (\d+) s/.exec(ticks.problem() ?? ""), {
        what: "the disagreement to be noticed",
      });
      // The manual clock stands still until that is noticed.
      expect(Math.abs(Number(seconds) - 120)).toBeLessThanOrEqual(1 + (Date.now() - began) / 1_000);
      expect(await logged(1)).toEqual([]);
      clock.set(Date.now());
      await waitFor(async () => (await logged(1)).length > 0, { what: "a tick" });
      await ticks.stop();
      expect(ticks.problem()).toBeUndefined();
    },
  );

  test("a mismatch with the log's clock makes the service unready until the next good tick", async () => {
    const { ticks } = start();
    await waitFor(async () => (await logged(1)).length > 0, { what: "a tick" });
    ticks.seen(false);
    expect(ticks.problem()).toMatch(/log's differ/);
    ticks.seen(true);
    expect(ticks.problem()).toBeUndefined();
    await ticks.stop();
  });
});
