import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HOUR_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import { type LedgerPart, ledgerBlocks, parseLedgerBlocks } from "#platform/ledger/blocks.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import { recordedColumns } from "#schema/columns/recorded.js";
import { storedEntryOf } from "#schema/events/ledger-block.v1.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { haveOneStamp } from "#schema/events/usage-recorded.v2.js";
import { hasPostgres } from "../../../tests/servers/servers.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  creditGrant,
  ledgerClientOf,
  ledgerFor,
  ledgerOf,
  meter,
  PARTITIONS,
  planVersion,
  price,
  type TestLedger,
  tenant,
  usage,
} from "../world.testing.js";
import { type RebuildOptions, type RebuildStep, rebuild } from "./rebuild.js";

const JANUARY = at("2026-01-01T00:00:00");
const FEBRUARY = at("2026-02-01T00:00:00");

/** The same pages through the bytes that ingestion stores and sends: blocks in columns where `isInColumns` says so, the others as text. */
function throughBlocks(ledger: LedgerClient, isInColumns: (block: number) => boolean): LedgerClient {
  return {
    async read(query) {
      const page = await ledger.read(query);
      const blocks = cutBlocks(page.entries).map((entries, index): LedgerPart => {
        const [first] = entries;
        if (first === undefined) throw new Error("a block has entries");
        if (isInColumns(index) && entries.some(({ kind }) => kind === "event"))
          return { columns: recordedColumns(query.partition, entries) };
        const { seq: firstSeq, recordedAt, tenancyVersion } = first;
        return {
          stamp: { firstSeq, recordedAt, tenancyVersion },
          entries: JSON.stringify(entries.map(storedEntryOf)),
        };
      });
      return parseLedgerBlocks(ledgerBlocks({ ...page, blocks }));
    },
  };
}

/** Blocks of at most five entries, contiguous and of one stamp. */
function cutBlocks(entries: readonly LedgerEntry[]): LedgerEntry[][] {
  const blocks: LedgerEntry[][] = [];
  for (const entry of entries) {
    const open = blocks.at(-1);
    const last = open?.at(-1);
    if (open === undefined || last === undefined || open.length === 5) blocks.push([entry]);
    else if (last.seq + 1 === entry.seq && haveOneStamp(last, entry)) open.push(entry);
    else blocks.push([entry]);
  }
  return blocks;
}

describe.skipIf(!hasPostgres)("rebuild", () => {
  let world: BillingWorld;
  const ledgers: TestLedger[] = [];
  const [acme, globex] = ["acme", "globex"].map((id) => ledgerFor(id));

  beforeEach(async () => {
    world = await billingWorld();
    ledgers.length = 0;
    const dimensions = ["region"];
    world.state.apply(meter("calls", { dimensions }));
    world.state.apply(meter("users", { aggregation: "UNIQUE", valueProperty: "user" }));
    const prices = [price({ meter: "calls", model: "PER_UNIT", unitAmount: "0.125" })];
    world.state.apply({
      ...{ kind: "plan", id: "pro", version: 1, name: "Pro", archived: false },
      versions: [planVersion({ recurringFee: "10", prices })],
    });
    for (const [index, id] of ["acme", "globex"].entries()) {
      world.state.apply(tenant(id));
      const ledger = ledgerFor(id);
      ledgers[index] = ledger;
      const data = (n: number) => ({ region: n % 2 === 0 ? "eu" : "us", user: `u${n % 3}` });
      for (let n = 0; n < 20; n += 1) ledger.record(usage(id, `e${n}`, JANUARY + n * HOUR_MS, data(n)));
      const from = { at: JANUARY, recordedAt: JANUARY };
      ledger.record(creditGrant(id, "first", "1.5", { ...from, priority: 1 }), creditGrant(id, "second", "0.1", from));
      ledger.record(ledger.voidOf("e3"), usage(id, "odd", JANUARY, {}, "nobody.counts"));
      ledger.record({ kind: "tick", at: at("2026-02-04T00:00:00") });
      ledger.record({ ...usage(id, "late", FEBRUARY - 1, data(0)), recordedAt: at("2026-02-05T00:00:00") });
      ledger.record(usage(id, "next", FEBRUARY, data(1)));
      await world.deliver(ledger, [3, 4, 1, 30]);
      await world.close(id);
    }
  });
  afterEach(() => world.stop());

  const options = (): RebuildOptions => ({
    ...{ database: world.database, tenancy: world.tenancy, clock: world.clock, partitions: PARTITIONS },
    ledger: ledgerClientOf(ledgers),
    migrationsDir: migrationsDirOf("billing"),
    onError: () => undefined,
  });

  async function run(request: { tenantId?: string; checkOnly?: boolean } = {}, changed: Partial<RebuildOptions> = {}) {
    const steps: RebuildStep[] = [];
    const { tenantId, checkOnly = true } = request;
    for await (const step of rebuild({ ...options(), ...changed }, { tenantId, checkOnly })) steps.push(step);
    const compared = steps.flatMap((step) => (step.kind === "compared" ? [step.comparison] : []));
    const wrong = compared.flatMap(({ name, difference }) =>
      difference === undefined ? [] : [[name, difference] as const],
    );
    return { steps, compared, wrong, done: steps.at(-1) };
  }
  const sql = (text: string) => world.database.pool.query(text);

  test("derives the same again, whatever the batches were, and leaves nothing behind", async () => {
    const { wrong, compared, done } = await run();
    expect(wrong).toEqual([]);
    expect(compared.map(({ name }) => name)).toEqual([
      "usage",
      "counts of events",
      "unmetered types",
      "grants of credits",
      "draws of credits",
      "usage that credits pay",
      "quantities that credits pay",
      "periods",
      "invoices",
    ]);
    expect(compared.every(({ rows }) => rows >= 2)).toBe(true);
    expect(done).toEqual({ kind: "done", events: 46, differences: 0, replaced: false });
    const { rows } = await sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'rebuild%'");
    expect(rows).toEqual([]);
  });

  test("shows the first difference of each part, and without --check puts usage right and leaves invoices alone", async () => {
    await sql(
      "UPDATE usage_delta SET quantity = quantity + 1 WHERE tenant_id = 'acme' AND meter = 'calls' AND seq = 3",
    );
    await sql("DELETE FROM usage_count WHERE tenant_id = 'globex'");
    const shown = await run();
    expect(shown.wrong.map(([name]) => name)).toEqual(["usage", "counts of events"]);
    expect(shown.wrong[0]?.[1].key).toMatch(/^acme calls \d+ \["(eu|us)"\]/);
    expect(shown.wrong[1]?.[1]).toMatchObject({ key: expect.stringMatching(/^globex /), live: null });
    expect(shown.done).toMatchObject({ differences: 2, replaced: false });
    expect((await run({ checkOnly: false })).done).toMatchObject({ differences: 2, replaced: true });
    expect((await run()).wrong).toEqual([]);

    await sql("ALTER TABLE invoice DISABLE TRIGGER USER");
    await sql("UPDATE invoice SET document = replace(document, '10.00', '11.00') WHERE tenant_id = 'acme'");
    const forged = await run({ checkOnly: false });
    expect(forged.wrong.map(([name]) => name)).toEqual(["invoices"]);
    expect(forged.done).toMatchObject({ differences: 1, replaced: false });
    expect((await world.invoices("acme"))[0]?.document).toContain("11.00");
  });

  test("puts the credits of a tenant right, and what they need to go on", async () => {
    const columns = "grant_id, trim_scale(drawn)::text AS drawn";
    const balances = async () =>
      (await sql(`SELECT ${columns} FROM credit_grant WHERE tenant_id = 'acme' ORDER BY 1`)).rows;
    const before = await balances();
    expect(before).toMatchObject([
      { drawn: expect.stringMatching(/[1-9]/) },
      { drawn: expect.stringMatching(/[1-9]/) },
    ]);
    const begins = () =>
      sql("SELECT opened_until FROM credit_tenant WHERE tenant_id = 'acme'").then(({ rows }) => rows);
    const begun = await begins();
    await sql("DELETE FROM credit_tenant WHERE tenant_id = 'acme'");
    const lost = await run({ tenantId: "acme", checkOnly: true });
    expect(lost.wrong.map(([name]) => name)).toEqual(["grants of credits"]);
    await sql("UPDATE credit_grant SET drawn = 0 WHERE tenant_id = 'acme'");
    await sql("UPDATE credit_draw SET amount = amount + 1 WHERE tenant_id = 'acme'");
    await sql("DELETE FROM credit_held WHERE tenant_id = 'acme'");
    await sql("DELETE FROM credit_price WHERE tenant_id = 'acme'");
    const { wrong, done } = await run({ tenantId: "acme", checkOnly: false });
    expect(wrong.map(([name]) => name)).toEqual([
      ...["grants of credits", "draws of credits", "usage that credits pay", "quantities that credits pay"],
    ]);
    expect(done).toMatchObject({ replaced: true });
    expect([await balances(), await begins()]).toEqual([before, begun]);
    const ledger = ledgerFor("acme");
    const own = ledgers.find(({ partition }) => partition === ledger.partition) ?? ledger;
    own.record(own.voidOf("e4"), usage("acme", "more", FEBRUARY + 1, { region: "eu", user: "u1" }));
    await world.deliver(own);
    expect((await run()).wrong).toEqual([]);
  });

  test("derives the same bytes from blocks in columns, as text, and by turns", async () => {
    const tables = ["usage_delta", "usage_count", "unmetered_type", "billing_period", "invoice", "invoice_line"];
    async function dumped(): Promise<unknown> {
      const dump: unknown[] = [];
      // Every derivation counts its rows anew.
      for (const table of tables)
        dump.push((await sql(`SELECT (to_jsonb(t) - 'id')::text AS row FROM ${table} t ORDER BY 1`)).rows);
      return dump;
    }
    const derived = await dumped();
    for (const isInColumns of [() => true, () => false, (n: number) => n % 2 === 0, (n: number) => n % 2 === 1]) {
      const ledger = throughBlocks(ledgerClientOf(ledgers), isInColumns);
      expect((await run({}, { ledger })).wrong).toEqual([]);
      // What is derived anew replaces what is wrong.
      await sql("UPDATE usage_delta SET quantity = quantity + 1 WHERE tenant_id = 'acme'");
      expect((await run({ checkOnly: false }, { ledger })).done).toMatchObject({ differences: 1, replaced: true });
      expect(await dumped()).toEqual(derived);
    }
  });

  test("of one tenant looks at nobody else", async () => {
    await sql("UPDATE usage_delta SET quantity = quantity + 1 WHERE tenant_id = 'acme' AND meter = 'calls'");
    expect((await run({ tenantId: "globex" })).wrong).toEqual([]);
    const own = await run({ tenantId: "acme", checkOnly: false });
    expect(own.wrong.map(([name]) => name)).toEqual(["usage"]);
    expect((await run()).wrong).toEqual([]);
    await expect(run({ tenantId: "nobody" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("of one tenant derives its backfills, though others' entries come right before them", async () => {
    const first = "shared";
    const partition = partitionOf(first, PARTITIONS);
    const names = Array.from({ length: 200_000 }, (_, n) => `other${n}`);
    const second = names.find((id) => partitionOf(id, PARTITIONS) === partition) ?? "";
    for (const id of [first, second]) world.state.apply(tenant(id));
    const shared = ledgerOf(partition);
    const odd = (id: string, n: number) => usage(id, `odd${n}`, JANUARY + n, {}, "nobody.counts");
    shared.record(odd(first, 1), odd(first, 2), odd(second, 3), odd(second, 4));
    shared.record({ kind: "backfill", meterKey: "odd", tenancyVersion: 2 }, odd(second, 5));
    world.state.apply(meter("odd", { eventType: "nobody.counts", version: 2, createdInVersion: 2 }));
    ledgers.push(shared);
    await world.deliver(shared);
    for (const tenantId of [first, second]) expect((await run({ tenantId })).wrong).toEqual([]);
    const { rows } = await sql("SELECT tenant_id, quantity::int AS counted FROM usage_delta WHERE meter = 'odd'");
    expect(rows).toEqual(expect.arrayContaining([first, second].map((id) => ({ tenant_id: id, counted: 2 }))));
    await sql("DELETE FROM usage_delta WHERE meter = 'odd'");
    expect((await run({ tenantId: first, checkOnly: false })).done).toMatchObject({ differences: 1, replaced: true });
    expect((await run({ tenantId: first })).wrong).toEqual([]);
  });

  test("takes up at once what ended in the middle of a backfill", async () => {
    world.state.apply(meter("odd", { eventType: "nobody.counts", version: 2, createdInVersion: 2 }));
    const [ledger] = ledgers;
    if (ledger === undefined) throw new Error("no ledgers");
    ledger.record({ kind: "backfill", meterKey: "odd", tenancyVersion: 2 });
    await world.deliver(ledger);
    const client = ledgerClientOf(ledgers);
    // Only the preparation of a backfill reads one tenant's entries here.
    const read: RebuildOptions["ledger"]["read"] = async (query) => {
      if (query.tenantId !== undefined) throw new Error("the ledger went away");
      return client.read(query);
    };
    await expect(run({}, { ledger: { read } })).rejects.toThrow("the ledger went away");
    expect((await sql("SELECT FROM rebuild.backfill_attempt")).rowCount).toBe(0);
    // As a process that was killed leaves it.
    await sql(`INSERT INTO rebuild.backfill_attempt (partition, alive_until)
      SELECT partition, now() + interval '1 day' FROM rebuild.high_water_mark`);
    expect((await run()).wrong).toEqual([]);
  });

  test("takes up what was rebuilt before an interruption, and goes on beside live traffic", async () => {
    const client = ledgerClientOf(ledgers);
    let reads = 0;
    const read: RebuildOptions["ledger"]["read"] = async (query) => {
      reads += 1;
      if (reads > 2) throw new Error("the ledger went away");
      return client.read({ ...query, limit: 7 });
    };
    await expect(run({}, { ledger: { read } })).rejects.toThrow("the ledger went away");
    const [ledger] = ledgers;
    if (acme === undefined || globex === undefined || ledger === undefined) throw new Error("no ledgers");
    let added = 0;
    const live: RebuildOptions["ledger"]["read"] = async (query) => {
      // The live tables move while theirs are derived again.
      if (added < 3) {
        added += 1;
        ledger.record(usage("acme", `live${added}`, FEBRUARY + added, { region: "eu", user: "u9" }));
        await world.deliver(ledger);
      }
      return client.read({ ...query, limit: 5 });
    };
    const { wrong, steps, done } = await run({}, { ledger: { read: live } });
    expect(wrong).toEqual([]);
    const [first] = steps;
    expect(first?.kind === "progress" && first.entries).toBeGreaterThan(14);
    expect(done).toMatchObject({ events: 46 + 3 - 14 });
  });

  test("broken off while it compares, leaves no connection in a transaction", async () => {
    const running = rebuild(options(), { tenantId: undefined, checkOnly: true });
    for (let step = await running.next(); step.value?.kind !== "compared"; step = await running.next());
    await running.return(undefined);
    const asked = Array.from({ length: 8 }, () => sql("SELECT current_setting('transaction_read_only') AS read_only"));
    for (const { rows } of await Promise.all(asked)) expect(rows).toEqual([{ read_only: "off" }]);
  });

  test("is one at a time", async () => {
    const running = rebuild(options(), { tenantId: undefined, checkOnly: true });
    await running.next();
    await expect(run()).rejects.toMatchObject({ code: "CONFLICT" });
    await running.return(undefined);
    expect((await run()).wrong).toEqual([]);
  });
});
