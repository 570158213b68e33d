import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PriceState } from "#schema/events/tenancy-changed.v1.js";
import { hasPostgres } from "../../tests/servers/servers.js";
import { MAX_TOLD_TYPES } from "./store/unbilled.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  ledgerFor,
  meter,
  planVersion,
  price,
  type TestLedger,
  tenant,
  usage,
} from "./world.testing.js";

const JANUARY = at("2026-01-01T00:00:00");
const FEBRUARY = at("2026-02-01T00:00:00");
const tick = (text: string) => ({ kind: "tick" as const, at: at(text) });

describe.skipIf(!hasPostgres)("operators are told of unbilled usage", () => {
  let world: BillingWorld;
  let ledger: TestLedger;
  /** Tenancy's version: a copy takes only newer states. */
  let changes: number;
  beforeEach(async () => {
    changes = 1;
    world = await billingWorld();
    ledger = ledgerFor("acme");
    world.state.apply(meter("tokens", { eventType: "chat", dimensions: ["model"] }));
    publish(
      price({ meter: "tokens", model: "PER_UNIT", unitAmount: "1", where: [{ dimension: "model", value: "s" }] }),
    );
    assign(true);
  });
  afterEach(() => world.stop());

  function publish(...prices: PriceState[]): void {
    const version = planVersion({ prices });
    changes += 1;
    world.state.apply({ kind: "plan", id: "pro", version: changes, name: "Pro", archived: false, versions: [version] });
  }
  function assign(isAssigned: boolean): void {
    changes += 1;
    world.state.apply(tenant("acme", { version: changes, ...(!isAssigned && { assignments: [] }) }));
  }

  const chat = (id: string, time: number, model: string) => usage("acme", id, time, { model }, "chat");
  const deliver = (...entries: Parameters<TestLedger["record"]>) => {
    ledger.record(...entries);
    return world.deliver(ledger);
  };

  /** The ids of events of unbilled usage that were put into the outbox so far. */
  async function told(): Promise<string[]> {
    const { rows } = await world.database.pool.query<{ id: string }>(
      "SELECT value::jsonb->>'id' AS id FROM outbox WHERE value::jsonb->>'type' LIKE 'metrly.usage.%' ORDER BY id",
    );
    return rows.map(({ id }) => id);
  }
  const dataOf = async (id: string) =>
    (
      await world.database.pool.query(
        "SELECT value::jsonb->'data' AS data FROM outbox WHERE value::jsonb->>'id' = $1",
        [id],
      )
    ).rows[0]?.data;

  test("once of a type that no meter counts, also when all is applied again or a meter comes and goes", async () => {
    await deliver(usage("acme", "a", JANUARY, {}, "chta"), usage("acme", "b", JANUARY, {}, "chta"));
    const once = ["usage-unmetered:acme:chta"];
    expect(await told()).toEqual(once);
    expect(await dataOf("usage-unmetered:acme:chta")).toEqual({
      tenantId: "acme",
      eventType: "chta",
      at: new Date(world.clock.now()).toISOString(),
    });
    world.takeOver();
    await deliver(usage("acme", "c", JANUARY, {}, "chta"));
    world.state.apply(meter("late", { eventType: "chta", createdInVersion: 2, archivedInVersion: 3, version: 9 }));
    await deliver(
      { ...usage("acme", "d", JANUARY, {}, "chta"), tenancyVersion: 2 },
      { ...usage("acme", "e", JANUARY, {}, "chta"), tenancyVersion: 3 },
    );
    await world.database.pool.query("TRUNCATE high_water_mark, usage_delta, usage_count, unmetered_type");
    world.restart();
    await world.deliver(ledger);
    expect((await told()).filter((id) => id.includes("unmetered"))).toEqual(once);
  });

  test("what is rolled back is told when it is applied", async () => {
    const full = "ALTER TABLE outbox ADD CONSTRAINT full_disk CHECK (false) NOT VALID";
    await world.database.pool.query(full);
    await expect(deliver(usage("acme", "a", JANUARY, {}, "chta"))).rejects.toThrow("full_disk");
    await world.database.pool.query("ALTER TABLE outbox DROP CONSTRAINT full_disk");
    await world.deliver(ledger);
    expect(await told()).toEqual(["usage-unmetered:acme:chta"]);
  });

  test("a tenant that sends ever new types is told of up to a bound, and others' are told", async () => {
    const many = Array.from({ length: MAX_TOLD_TYPES + 5 }, (_, n) => usage("acme", `m${n}`, JANUARY, {}, `t${n}`));
    ledger.record(...many);
    await world.deliver(ledger, [MAX_TOLD_TYPES - 3]);
    expect(await told()).toHaveLength(MAX_TOLD_TYPES);
    await deliver(chat("x", JANUARY, "xl"), usage("acme", "more", JANUARY, {}, "more"));
    expect(await told()).toHaveLength(MAX_TOLD_TYPES + 1);
  });

  test("of a meter's usage that no price claims, on first sight, once in a period", async () => {
    await deliver(chat("a", JANUARY, "s"));
    expect(await told()).toEqual([]);
    await deliver(chat("b", JANUARY + 5, "xl"), chat("c", JANUARY + 6, "xxl"));
    await deliver(chat("d", JANUARY + 7, "xl"));
    const january = "usage-unpriced:acme:tokens:2026-01-01";
    expect(await told()).toEqual([january]);
    expect(await dataOf(january)).toMatchObject({
      ...{ tenantId: "acme", meter: "tokens", planId: "pro", planVersion: 1, reason: "NO_PRICE_FOR_DIMENSIONS" },
      ...{ periodStart: "2026-01-01T00:00:00.000Z", periodEnd: "2026-02-01T00:00:00.000Z" },
      dimensions: [{ dimension: "model", value: "xl" }],
    });
    await deliver(chat("e", FEBRUARY, "xl"), tick("2026-02-04T00:00:00"));
    await world.close("acme");
    expect(await told()).toEqual([january, "usage-unpriced:acme:tokens:2026-02-01"]);
  });

  test("not of what a catch-all price claims, of voids, or of a tenant without a plan", async () => {
    assign(false);
    await deliver(chat("a", JANUARY, "xl"));
    publish(price({ meter: "tokens", model: "PER_UNIT", unitAmount: "1", catchAll: true }));
    assign(true);
    await deliver(chat("b", JANUARY, "xl"));
    publish();
    await deliver(ledger.voidOf("a"));
    expect(await told()).toEqual([]);
  });

  test("at the close, of what got its plan after it was recorded", async () => {
    assign(false);
    await deliver(chat("a", JANUARY, "xl"));
    publish();
    assign(true);
    await deliver(tick("2026-02-04T00:00:00"));
    expect(await told()).toEqual([]);
    await world.close("acme");
    await world.close("acme");
    const id = "usage-unpriced:acme:tokens:2026-01-01";
    expect(await told()).toEqual([id]);
    expect(await dataOf(id)).toMatchObject({ reason: "NO_PRICE_FOR_METER", dimensions: [] });
  });

  test("of late usage of a closed period, on first sight or with the close that adjusts it", async () => {
    await deliver(chat("a", JANUARY, "s"), tick("2026-02-04T00:00:00"));
    await world.close("acme");
    expect(await told()).toEqual([]);
    assign(false);
    await deliver(chat("late", JANUARY + 5, "xl"));
    expect(await told()).toEqual([]);
    assign(true);
    await deliver(tick("2026-03-04T00:00:00"));
    await world.close("acme");
    const january = "usage-unpriced:acme:tokens:2026-01-01";
    expect(await told()).toEqual([january]);
    await world.database.pool.query("TRUNCATE outbox, unbilled_notice");
    await deliver(chat("later", JANUARY + 6, "xl"));
    expect(await told()).toEqual([january]);
  });
});
