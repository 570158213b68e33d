import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hasPostgres } from "../../../tests/servers/servers.js";
import { createInvoiceVerifier } from "../verify.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  type DraftEntry,
  ledgerClientOf,
  ledgerFor,
  linesOf,
  meter,
  PARTITIONS,
  planVersion,
  price,
  type TestLedger,
  tenant,
  usage,
} from "../world.testing.js";

const JANUARY = at("2026-01-01T00:00:00");
const FEBRUARY = at("2026-02-01T00:00:00");
const tick = (text: string) => ({ kind: "tick" as const, at: at(text) });

describe.skipIf(!hasPostgres)("closing", () => {
  let world: BillingWorld;
  let ledger: TestLedger;

  beforeEach(async () => {
    world = await billingWorld();
    ledger = ledgerFor("acme");
    world.state.apply(meter("calls"));
    world.state.apply({
      kind: "plan",
      id: "pro",
      version: 1,
      name: "Pro",
      archived: false,
      versions: [
        planVersion({
          recurringFee: "10",
          prices: [price({ meter: "calls", model: "PER_UNIT", unitAmount: "0.125" })],
        }),
      ],
    });
    world.state.apply(tenant("acme"));
  });
  afterEach(() => world.stop());

  async function closeJanuary(): Promise<void> {
    ledger.record(usage("acme", "a", JANUARY), usage("acme", "b", FEBRUARY - 1), usage("acme", "c", FEBRUARY));
    ledger.record(tick("2026-02-03T23:59:59"), tick("2026-02-04T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
  }

  test("a tick past the grace time closes the period with exactly its usage", async () => {
    await closeJanuary();
    const [invoice, ...others] = await world.invoices("acme");
    expect(others).toEqual([]);
    // 10.00 + 2 x 0.125 = 0.25.
    expect(linesOf(invoice)).toEqual([
      { kind: "RECURRING", meter: null, quantity: "1", amount: "10.00" },
      { kind: "USAGE", meter: "calls", quantity: "2", amount: "0.25" },
    ]);
    expect(JSON.parse(invoice?.document ?? "")).toMatchObject({
      id: "inv_acme_000001",
      watermark: "5",
      total: "10.25",
    });
    const { rows } = await world.database.pool.query(
      "SELECT value::jsonb->>'type' AS type, key FROM outbox ORDER BY id",
    );
    expect(rows).toEqual([
      { type: "metrly.billing.period.closed.v1", key: "acme" },
      { type: "metrly.invoice.generated.v1", key: "acme" },
    ]);
  });

  test("a worker does not wait for another that closes the same tenant", async () => {
    ledger.record(usage("acme", "a", JANUARY), tick("2026-03-04T00:00:00"));
    await world.deliver(ledger);
    await world.database.transaction(async (tx) => {
      await tx.query("SELECT 1 FROM billing_period WHERE status = 'CLOSING' ORDER BY start_at LIMIT 1 FOR UPDATE");
      await world.close("acme");
      expect(await world.invoices("acme")).toEqual([]);
    });
    await world.close("acme");
    expect(await world.invoices("acme")).toHaveLength(2);
  });

  test("usage of a closed period becomes an adjustment of the next invoice, up and down", async () => {
    await closeJanuary();
    ledger.record(usage("acme", "late", FEBRUARY - 5, {}), tick("2026-03-04T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
    ledger.record(ledger.voidOf("a"), ledger.voidOf("late"), tick("2026-04-04T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
    const [, february, march] = await world.invoices("acme");
    // January: 3 x 0.125 = 0.375 -> 0.38, of which 0.25 is invoiced.
    expect(linesOf(february).at(-1)).toEqual({ kind: "ADJUSTMENT", meter: "calls", quantity: "1", amount: "0.13" });
    // Then only "b" is left: 0.125 -> 0.13, of which 0.38 is invoiced.
    expect(linesOf(march).at(-1)).toEqual({ kind: "ADJUSTMENT", meter: "calls", quantity: "-2", amount: "-0.25" });
    expect(JSON.parse(march?.document ?? "").lines.at(-1).adjusts).toEqual({
      invoiceId: "inv_acme_000001",
      invoiceNumber: "ACME-000001",
      kind: "USAGE",
      periodStart: "2026-01-01T00:00:00.000Z",
      quantityBefore: "3",
      quantityAfter: "1",
    });
  });

  test("an adjustment starts from what was last invoiced, also where late usage changed the quantity alone", async () => {
    world.state.apply({
      ...{ kind: "plan", id: "pro", version: 2, name: "Pro", archived: false },
      versions: [
        planVersion({ prices: [price({ meter: "calls", model: "PACKAGE", packageSize: "10", unitAmount: "5" })] }),
      ],
    });
    const late = async (count: number, until: string) => {
      ledger.record(...Array.from({ length: count }, (_, n) => usage("acme", `${until}-${n}`, JANUARY)), tick(until));
      await world.deliver(ledger);
      await world.close("acme");
    };
    await late(3, "2026-02-04T00:00:00");
    await late(4, "2026-03-04T00:00:00");
    await late(5, "2026-04-04T00:00:00");
    const invoices = await world.invoices("acme");
    expect(invoices.flatMap(linesOf).filter(({ quantity }) => quantity !== "0")).toEqual([
      { kind: "USAGE", meter: "calls", quantity: "3", amount: "5.00" },
      { kind: "ADJUSTMENT", meter: "calls", quantity: "4", amount: "0.00" },
      { kind: "ADJUSTMENT", meter: "calls", quantity: "5", amount: "5.00" },
    ]);
    const { lines } = JSON.parse(invoices.at(-1)?.document ?? "");
    expect(lines.at(-1).adjusts).toMatchObject({ quantityBefore: "7", quantityAfter: "12" });
  });

  test("what no price claims is on the invoice, and the verifier sees when it is forged", async () => {
    world.state.apply(meter("tokens", { eventType: "tokens", dimensions: ["model"] }));
    const where = [{ dimension: "model", value: "large" }];
    world.state.apply({
      ...{ kind: "plan", id: "pro", version: 2, name: "Pro", archived: false },
      versions: [planVersion({ prices: [price({ meter: "tokens", model: "PER_UNIT", unitAmount: "1", where })] })],
    });
    const used = (id: string, model: string) => usage("acme", id, JANUARY, { model }, "tokens");
    ledger.record(used("a", "large"), used("b", "Large"), usage("acme", "c", JANUARY), tick("2026-02-04T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
    const [invoice] = await world.invoices("acme");
    if (invoice === undefined) throw new Error("January is invoiced");
    const { total, unpricedUsage } = JSON.parse(invoice.document);
    expect(total).toBe("1.00");
    expect(unpricedUsage).toEqual([
      { meter: "calls", dimensions: [], quantity: "1", eventCount: "1", reason: "NO_PRICE_FOR_METER" },
      {
        ...{ meter: "tokens", dimensions: [{ dimension: "model", value: "Large" }], quantity: "1", eventCount: "1" },
        reason: "NO_PRICE_FOR_DIMENSIONS",
      },
    ]);
    const { tenancy } = world;
    const verifier = createInvoiceVerifier({ ledger: ledgerClientOf([ledger]), tenancy, partitions: PARTITIONS });
    expect(await verifier.verify(invoice)).toMatchObject({ matches: true });
    const forged = { ...invoice, document: invoice.document.replace('"Large"', '"large"') };
    expect((await verifier.verify(forged)).differences).toContainEqual(expect.stringMatching(/^unpricedUsage\.1\.dim/));
  });

  test("unpriced combinations that would make a large invoice are one per meter, for the verifier too", async () => {
    const dimensions = Array.from({ length: 10 }, (_, n) => `${n}`.padEnd(128, "d"));
    const where = dimensions.slice(0, 1).map((dimension) => ({ dimension, value: "other" }));
    const meters = [
      meter("first", { eventType: "wide", dimensions }),
      meter("second", { eventType: "wide", dimensions }),
    ];
    const small = meter("third", { eventType: "wide", dimensions: dimensions.slice(0, 1) });
    for (const each of [...meters, small]) world.state.apply(each);
    const prices = [...meters, small].map(({ id }) => price({ meter: id, model: "PER_UNIT", unitAmount: "1", where }));
    world.state.apply({
      ...{ kind: "plan", id: "pro", version: 2, name: "Pro", archived: false },
      versions: [planVersion({ prices })],
    });
    const data = (n: number) => Object.fromEntries(dimensions.map((name) => [name, `${n}`.padEnd(64, "\u00e9")]));
    const events = Array.from({ length: 200 }, (_, n) => usage("acme", `${n}`, JANUARY, data(n), "wide"));
    ledger.record(...events, tick("2026-02-04T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
    const [invoice] = await world.invoices("acme");
    if (invoice === undefined) throw new Error("January is invoiced");
    const entries: readonly { meter: string; dimensions: readonly object[] }[] = JSON.parse(
      invoice.document,
    ).unpricedUsage;
    const entriesOf = (key: string) => entries.filter((entry) => entry.meter === key).length;
    expect(["first", "second", "third"].map(entriesOf)).toEqual([200, 1, 200]);
    const { tenancy } = world;
    const verifier = createInvoiceVerifier({ ledger: ledgerClientOf([ledger]), tenancy, partitions: PARTITIONS });
    expect(await verifier.verify(invoice)).toMatchObject({ matches: true });
  });

  test("a void in an open period lowers its invoice", async () => {
    ledger.record(usage("acme", "a", JANUARY), usage("acme", "b", JANUARY + 1));
    ledger.record(ledger.voidOf("a"));
    ledger.record(tick("2026-02-04T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
    expect(linesOf((await world.invoices("acme"))[0])[1]).toMatchObject({ quantity: "1", amount: "0.13" });
  });

  test("one tick after a long downtime closes every period in order, chained and numbered without gaps", async () => {
    ledger.record(usage("acme", "a", JANUARY), usage("acme", "b", FEBRUARY), tick("2026-04-10T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
    const documents = (await world.invoices("acme")).map((invoice) => JSON.parse(invoice.document));
    const hashes = (await world.invoices("acme")).map((invoice) => invoice.sha256);
    expect(documents.map((d) => [d.number, d.period.start.slice(0, 7), d.total])).toEqual([
      ["ACME-000001", "2026-01", "10.13"],
      ["ACME-000002", "2026-02", "10.13"],
      ["ACME-000003", "2026-03", "10.00"],
    ]);
    expect(documents.map((d) => d.previousSha256)).toEqual([null, hashes[0], hashes[1]]);
  });

  test("two workers at once close each period once", async () => {
    ledger.record(usage("acme", "a", JANUARY), tick("2026-06-10T00:00:00"));
    await world.deliver(ledger);
    await Promise.all([world.close("acme"), world.close("acme"), world.close("acme")]);
    expect(await world.invoices("acme")).toHaveLength(5);
    const { rows } = await world.database.pool.query("SELECT status, count(*)::int FROM billing_period GROUP BY 1");
    expect(rows).toEqual([{ status: "CLOSED", count: 5 }]);
  });

  test("two processes that take turns on a partition end each period once", async () => {
    ledger.record(usage("acme", "a", JANUARY), tick("2026-02-04T00:00:00"));
    await world.deliver(ledger);
    world.takeOver();
    ledger.record(usage("acme", "b", FEBRUARY), tick("2026-03-04T00:00:00"));
    await world.deliver(ledger);
    world.takeOver();
    ledger.record(tick("2026-03-05T00:00:00"), tick("2026-04-04T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
    expect(world.queued).toHaveLength(3);
    expect((await world.invoices("acme")).map((i) => [i.ordinal, JSON.parse(i.document).total])).toEqual([
      [1, "10.13"],
      [2, "10.13"],
      [3, "10.00"],
    ]);
  });

  test("a close record ends the earliest open period once it has ended, and nothing else", async () => {
    const close = (periodStart: number, recorded: string) =>
      ledger.record({ kind: "close", tenantId: "acme", periodStart, actor: "root", recordedAt: at(recorded) });
    ledger.record(usage("acme", "a", JANUARY));
    close(JANUARY, "2026-01-31T23:59:59");
    close(FEBRUARY, "2026-02-01T00:00:00");
    ledger.record(usage("acme", "b", JANUARY + 1));
    close(JANUARY, "2026-02-01T00:00:00");
    close(JANUARY, "2026-02-01T00:00:01");
    await world.deliver(ledger);
    await world.close("acme");
    expect((await world.invoices("acme")).map((i) => JSON.parse(i.document).watermark)).toEqual(["5"]);
  });

  test("ticks leave a test tenant alone, close records move it through its life", async () => {
    world.state.apply(tenant("acme", { version: 2, testClock: JANUARY }));
    ledger.record(usage("acme", "a", JANUARY), tick("2027-01-01T00:00:00"));
    await world.deliver(ledger);
    expect(world.queued).toEqual([]);
    for (let month = 0; month < 12; month += 1) {
      const periodStart = Date.UTC(2026, month, 1);
      ledger.record({ kind: "close", tenantId: "acme", periodStart, actor: "clock", recordedAt: JANUARY });
    }
    await world.deliver(ledger);
    await world.close("acme");
    expect((await world.invoices("acme")).map((i) => JSON.parse(i.document).total)).toEqual([
      "10.13",
      ...Array.from({ length: 11 }, () => "10.00"),
    ]);
  });

  test("the database refuses UPDATE, DELETE and TRUNCATE of closed data", async () => {
    await closeJanuary();
    for (const statement of [
      "UPDATE invoice SET total = 0",
      "DELETE FROM invoice_line",
      "DELETE FROM invoice",
      "TRUNCATE invoice, invoice_line",
      "UPDATE billing_period SET watermark = 1",
      "DELETE FROM billing_period",
    ]) {
      await expect(world.database.pool.query(statement), statement).rejects.toThrow("closed for good");
    }
  });

  test("a period without a plan closes without an invoice; its tenant's first invoice is still number 1", async () => {
    world.state.apply(
      tenant("acme", {
        version: 2,
        assignments: [
          { planId: "pro", planVersion: 1, effectiveFrom: FEBRUARY, inVersion: 1, cancelledInVersion: null },
        ],
      }),
    );
    ledger.record(usage("acme", "a", JANUARY), tick("2026-03-10T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
    const invoices = await world.invoices("acme");
    expect(invoices.map((i) => [i.ordinal, i.periodStart])).toEqual([[1, FEBRUARY]]);
    const { rows } = await world.database.pool.query(
      "SELECT value::jsonb->'data'->>'invoiceId' AS invoice FROM outbox WHERE value LIKE '%period.closed%' ORDER BY id",
    );
    expect(rows).toEqual([{ invoice: null }, { invoice: "inv_acme_000001" }]);
  });

  test("a closed tenant is charged for the period it closed in and for none after it, but late usage is adjusted", async () => {
    await closeJanuary();
    const closedAt = at("2026-02-10T12:00:00");
    world.state.apply(tenant("acme", { version: 2, status: "CLOSED", closedInVersion: 2, closedAt }));
    const asOfClosing = (entry: DraftEntry): DraftEntry => ({ ...entry, tenancyVersion: 2 });
    ledger.record(
      asOfClosing(tick("2026-03-04T00:00:00")),
      asOfClosing(usage("acme", "on its way", FEBRUARY + 1)),
      asOfClosing(tick("2026-04-04T00:00:00")),
      asOfClosing(tick("2026-05-04T00:00:00")),
    );
    await world.deliver(ledger);
    await world.close("acme");
    const [, february, march, ...others] = await world.invoices("acme");
    expect(linesOf(february).map(({ kind, amount }) => [kind, amount])).toEqual([
      ["RECURRING", "10.00"],
      ["USAGE", "0.13"],
    ]);
    // February has two calls now: 0.25 less the 0.13 invoiced.
    expect(linesOf(march).map(({ kind, amount }) => [kind, amount])).toEqual([["ADJUSTMENT", "0.12"]]);
    expect(JSON.parse(march?.document ?? "")).toMatchObject({ plan: null, total: "0.12" });
    expect(others).toEqual([]);
    const verifier = createInvoiceVerifier({
      ledger: ledgerClientOf([ledger]),
      tenancy: world.tenancy,
      partitions: PARTITIONS,
    });
    for (const invoice of await world.invoices("acme"))
      expect(await verifier.verify(invoice)).toMatchObject({ matches: true, differences: [] });
  });

  test("a minimum commit is topped up, and late usage is offset against it", async () => {
    world.state.apply({
      kind: "plan",
      id: "pro",
      version: 2,
      name: "Pro",
      archived: false,
      versions: [
        planVersion({
          minimumCommit: "1",
          prices: [price({ meter: "calls", model: "PER_UNIT", unitAmount: "0.4" })],
        }),
      ],
    });
    ledger.record(usage("acme", "a", JANUARY), tick("2026-02-04T00:00:00"));
    ledger.record(usage("acme", "b", JANUARY), usage("acme", "c", JANUARY), tick("2026-03-04T00:00:00"));
    await world.deliver(ledger);
    await world.close("acme");
    const [january, february] = await world.invoices("acme");
    expect(linesOf(january).map((line) => [line.kind, line.amount])).toEqual([
      ["USAGE", "0.40"],
      ["MINIMUM_COMMIT", "0.60"],
    ]);
    // With full knowledge January is 3 x 0.40 = 1.20 and no top-up: +0.80 and -0.60 to what is invoiced.
    expect(linesOf(february).map((line) => [line.kind, line.amount])).toEqual([
      ["USAGE", "0.00"],
      ["MINIMUM_COMMIT", "1.00"],
      ["ADJUSTMENT", "0.80"],
      ["ADJUSTMENT", "-0.60"],
    ]);
  });
});
