import { afterAll, beforeAll, expect, test } from "vitest";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  creditGrant,
  creditVoid,
  type DraftEntry,
  ledgerFor,
  linesOf,
  meter,
  planVersion,
  price,
  tenant,
  usage,
} from "../world.testing.js";

let world: BillingWorld;
beforeAll(async () => {
  world = await billingWorld();
  const { state } = world;
  state.apply(meter("calls"));
  state.apply(meter("users", { eventType: "login", aggregation: "UNIQUE", valueProperty: "user" }));
  state.apply(meter("peak", { eventType: "load", aggregation: "MAX", valueProperty: "n" }));
  state.apply(meter("level", { eventType: "level", aggregation: "LATEST", valueProperty: "n" }));
  state.apply({
    kind: "plan",
    id: "pro",
    version: 1,
    name: "pro",
    archived: false,
    versions: [
      planVersion({
        prices: [
          price({ meter: "calls", model: "PER_UNIT", unitAmount: "1" }),
          price({ meter: "users", model: "PER_UNIT", unitAmount: "2" }),
          price({ meter: "peak", model: "PER_UNIT", unitAmount: "1" }),
          price({ meter: "level", model: "PER_UNIT", unitAmount: "0.5" }),
        ],
      }),
      planVersion({ version: 2, prices: [price({ meter: "calls", model: "FLAT", unitAmount: "10" })] }),
    ],
  });
}, 120_000);
afterAll(() => world.stop());

const JAN = at("2026-01-10T00:00:00");
const TICK_FEB = { kind: "tick", at: at("2026-02-04T00:00:01") } as const;
const TICK_MAR = { kind: "tick", at: at("2026-03-04T00:00:01") } as const;

async function drawnOf(tenantId: string): Promise<Record<string, string>> {
  const { rows } = await world.database.pool.query<{ id: string; drawn: string }>(
    "SELECT grant_id AS id, trim_scale(drawn)::text AS drawn FROM credit_grant WHERE tenant_id = $1 ORDER BY seq",
    [tenantId],
  );
  return Object.fromEntries(rows.map(({ id, drawn }) => [id, drawn]));
}
const shortOf = (invoice: Parameters<typeof linesOf>[0]) =>
  linesOf(invoice).map(({ kind, amount }) => `${kind} ${amount}`);

test("usage after a grant draws from it, usage before it and beyond it stays payable, and the invoice says so", async () => {
  const ledger = ledgerFor("first");
  world.state.apply(tenant("first"));
  ledger.record(
    ...[usage("first", "1", JAN), usage("first", "2", JAN)],
    creditGrant("first", "g1", "3", { at: JAN }),
    ...[3, 4, 5, 6].map((n) => usage("first", `${n}`, JAN + n)),
    TICK_FEB,
  );
  await world.deliver({ ...ledger, entries: ledger.entries.slice(0, 4) }, [1, 3]);
  expect(await drawnOf("first")).toEqual({ g1: "1" });
  await world.deliver(ledger, [2]);
  await world.close("first");
  const [invoice] = await world.invoices("first");
  expect(shortOf(invoice)).toEqual(["USAGE 6.00", "USAGE 0.00", "USAGE 0.00", "USAGE 0.00", "CREDIT -3.00"]);
  expect(JSON.parse(invoice?.document ?? "").lines[4]).toMatchObject({ grantId: "g1", price: null });
  expect(await drawnOf("first")).toEqual({ g1: "3" });
});

test("a void of the top value, of the last event of a value and of the latest value returns what they cost", async () => {
  const ledger = ledgerFor("voids");
  world.state.apply(tenant("voids"));
  ledger.record(
    creditGrant("voids", "g1", "100", { at: JAN }),
    usage("voids", "p1", JAN, { n: 3 }, "load"),
    usage("voids", "p2", JAN + 1, { n: 8 }, "load"),
    usage("voids", "u1", JAN + 2, { user: "a" }, "login"),
    usage("voids", "u2", JAN + 3, { user: "a" }, "login"),
    usage("voids", "u3", JAN + 4, { user: "b" }, "login"),
    usage("voids", "l1", JAN + 5, { n: 4 }, "level"),
    usage("voids", "l2", JAN + 6, { n: 10 }, "level"),
  );
  await world.deliver(ledger, [3, 2, 1]);
  expect(await drawnOf("voids")).toEqual({ g1: "17" });
  ledger.record(ledger.voidOf("p2"), ledger.voidOf("u3"), ledger.voidOf("u1"), ledger.voidOf("l2"));
  await world.deliver(ledger);
  expect(await drawnOf("voids")).toEqual({ g1: "7" });
});

test("late usage and voids adjust the credits of a closed period; a voided grant takes nothing more", async () => {
  const ledger = ledgerFor("late");
  world.state.apply(tenant("late"));
  ledger.record(
    creditGrant("late", "g1", "5", { at: JAN, priority: 1 }),
    creditGrant("late", "g2", "5", { at: JAN, priority: 2, expiresAt: JAN + DAY_MS }),
    ...[1, 2, 3].map((n) => usage("late", `${n}`, JAN + n)),
    TICK_FEB,
    ...[4, 5, 6, 7].map((n) => usage("late", `${n}`, JAN + n)),
    usage("late", "8", JAN + 2 * DAY_MS),
  );
  await world.deliver(ledger, [1, 1, 4, 2, 2]);
  await world.close("late");
  expect(await drawnOf("late")).toEqual({ g1: "5", g2: "2" });
  ledger.record(creditVoid("late", "g1", TICK_FEB.at + HOUR_MS), ledger.voidOf("1"), ledger.voidOf("2"), TICK_MAR);
  await world.deliver(ledger, [2]);
  await world.close("late");
  const [first, second] = await world.invoices("late");
  expect(shortOf(first)).toEqual(["USAGE 3.00", "USAGE 0.00", "USAGE 0.00", "USAGE 0.00", "CREDIT -3.00"]);
  expect(shortOf(second).slice(4)).toEqual(["ADJUSTMENT 3.00", "ADJUSTMENT -2.00", "ADJUSTMENT -1.00"]);
});

test("late usage draws by its own time, and what comes after a watermark is on the next invoice, in whatever batch", async () => {
  const ledger = ledgerFor("own");
  world.state.apply(tenant("own"));
  ledger.record(
    creditGrant("own", "g1", "9", { at: JAN, expiresAt: JAN + DAY_MS }),
    { ...usage("own", "1", JAN + 1), recordedAt: JAN + 3 * DAY_MS } as DraftEntry,
    TICK_FEB,
    { ...usage("own", "2", JAN + 2), recordedAt: TICK_FEB.at + 1 } as DraftEntry,
    TICK_MAR,
  );
  await world.deliver(ledger);
  await world.close("own");
  const [first, second] = await world.invoices("own");
  expect(shortOf(first).at(-1)).toBe("CREDIT -1.00");
  expect(shortOf(second).slice(4)).toEqual(["ADJUSTMENT 1.00", "ADJUSTMENT -1.00"]);
});

test("what is due without usage is drawn at the period's start, from what was granted before", async () => {
  const ledger = ledgerFor("flat");
  const assignments = [
    { planId: "pro", planVersion: 2, effectiveFrom: at("2026-01-01T00:00:00"), inVersion: 1, cancelledInVersion: null },
  ];
  world.state.apply(tenant("flat", { assignments }));
  ledger.record(
    creditGrant("flat", "g1", "4", { at: JAN }),
    { kind: "tick", at: at("2026-02-01T00:00:00") },
    creditGrant("flat", "g2", "20", { at: at("2026-02-01T00:00:01") }),
    TICK_FEB,
    TICK_MAR,
  );
  await world.deliver(ledger, [2, 1]);
  await world.close("flat");
  const [first, second] = await world.invoices("flat");
  expect([shortOf(first), shortOf(second)]).toEqual([["USAGE 10.00"], ["USAGE 10.00", "CREDIT -4.00"]]);
  expect(await drawnOf("flat")).toEqual({ g1: "4", g2: "10" });
});

test("credits that were granted before a tenant's first period pay what is due at its start", async () => {
  const ledger = ledgerFor("early");
  const startsAt = at("2026-02-01T00:00:00");
  const assignments = [
    { planId: "pro", planVersion: 2, effectiveFrom: startsAt, inVersion: 1, cancelledInVersion: null },
  ];
  const early = tenant("early", { startsAt, assignments });
  world.state.apply(early);
  ledger.record(creditGrant("early", "g1", "4", { at: JAN }), TICK_FEB, TICK_MAR);
  await world.deliver(ledger, [1]);
  await world.close("early");
  const [first] = await world.invoices("early");
  expect(shortOf(first)).toEqual(["USAGE 10.00", "CREDIT -4.00"]);
  expect(await drawnOf("early")).toEqual({ g1: "4" });
});

test("a period's whole usage is read in a transaction without a limit, and only when it must be", async () => {
  const ledger = ledgerFor("long");
  world.state.apply(tenant("long"));
  const before = world.longTransactions();
  ledger.record(usage("long", "1", JAN), creditGrant("long", "g1", "3", { at: JAN }), usage("long", "2", JAN + 1));
  await world.deliver(ledger, [1, 1]);
  expect(world.longTransactions()).toBe(before + 1);
  ledger.record(usage("long", "3", JAN + 2), TICK_FEB, usage("long", "4", at("2026-02-05T00:00:00")));
  await world.deliver(ledger, [1, 1]);
  expect(world.longTransactions()).toBe(before + 1);
  expect(await drawnOf("long")).toEqual({ g1: "3" });
});
