import { manualClock } from "#kernel/clock.js";
import { HOUR_MS } from "#kernel/duration.js";
import { partitionOf } from "#kernel/partition.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { NeedsLongTransaction } from "#platform/ledger/consumer.js";
import { ledgerSteps } from "#platform/ledger/steps.js";
import { createTenancyState, type TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { MeterState, PlanVersionState, PriceState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { LedgerEntry, RecordedEvent } from "#schema/events/usage-recorded.v1.js";
import { CURRENT_INVOICE_VERSION } from "#schema/vocabulary.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import { PATIENT_LIMITS } from "../../tests/support/patient-limits.js";
import { closeTenant } from "./closing/close.js";
import { documentsByKey, listInvoices, type StoredInvoice } from "./store/invoices.js";
import { type BucketedCell, readCells, UNBOUNDED, type UsageQuery } from "./store/usage.js";
import { type Aggregator, type AggregatorOptions, createAggregator } from "./usage-recorded.js";

/** Many, so that tests on one database can each have a partition, and so a ledger, of their own. */
export const PARTITIONS = 4096;

export const at = (text: string): number => Date.parse(`${text}Z`);

export const price = (changes: Partial<PriceState> & Pick<PriceState, "meter" | "model">): PriceState => ({
  included: "0",
  unitAmount: null,
  packageSize: null,
  ratePercent: null,
  tiers: [],
  divideBy: "1",
  roundUp: false,
  minimumAmount: null,
  maximumAmount: null,
  discountPercent: "0",
  where: [],
  ...changes,
});

export const meter = (id: string, changes: Partial<MeterState> = {}): MeterState => ({
  kind: "meter",
  id,
  version: 1,
  name: id,
  eventType: "api.request",
  aggregation: "COUNT",
  valueProperty: null,
  dimensions: [],
  unit: null,
  createdInVersion: 1,
  archivedInVersion: null,
  ...changes,
});

export const tenant = (id: string, changes: Partial<TenantState> = {}): TenantState => ({
  kind: "tenant",
  id,
  version: 1,
  name: id,
  status: "ACTIVE",
  createdAt: at("2026-01-01T00:00:00"),
  createdInVersion: 1,
  billingAnchorDay: 1,
  startsAt: at("2026-01-01T00:00:00"),
  currency: "EUR",
  testClock: null,
  graceDays: [{ days: 3, inVersion: 1 }],
  assignments: [
    { planId: "pro", planVersion: 1, effectiveFrom: at("2026-01-01T00:00:00"), inVersion: 1, cancelledInVersion: null },
  ],
  closedInVersion: null,
  ...changes,
});

export const planVersion = (changes: Partial<PlanVersionState> = {}): PlanVersionState => ({
  version: 1,
  publishedAt: 0,
  publishedInVersion: 1,
  currency: "EUR",
  recurringFee: "0",
  minimumCommit: "0",
  prices: [],
  limits: [],
  ...changes,
});

type Draft<E> = E extends LedgerEntry ? Omit<E, "seq" | "recordedAt" | "tenancyVersion"> : never;
export type DraftEntry = Draft<LedgerEntry> & { readonly recordedAt?: number; readonly tenancyVersion?: number };

export const usage = (
  tenantId: string,
  id: string,
  time: number,
  data: object = {},
  type = "api.request",
): DraftEntry => ({
  kind: "event",
  tenantId,
  source: "test",
  id,
  type,
  time,
  receivedAt: time,
  data: JSON.stringify(data),
});

/** A grant of credits to a tenant. */
export const creditGrant = (
  tenantId: string,
  grantId: string,
  amount: string,
  changes: {
    readonly expiresAt?: number;
    readonly priority?: number;
    readonly at?: number;
    readonly recordedAt?: number;
  } = {},
): DraftEntry => {
  const { expiresAt = null, priority = 0, at: granted = at("2026-01-02T00:00:00"), recordedAt = granted } = changes;
  const terms = { amount, currency: "EUR", expiresAt, priority, reason: "bought", actor: "test" };
  return { kind: "creditGrant", tenantId, grantId, at: granted, recordedAt, ...terms };
};

export const creditVoid = (tenantId: string, grantId: string, voidedAt: number): DraftEntry => ({
  ...{ kind: "creditVoid", tenantId, grantId, at: voidedAt, recordedAt: voidedAt, reason: "wrong", actor: "test" },
});

/** A ledger of one partition: gives entries their `seq` and remembers them, as ingestion would. */
export function ledgerOf(partition: number) {
  const entries: LedgerEntry[] = [];
  return {
    partition,
    entries,
    record(...drafts: DraftEntry[]): LedgerEntry[] {
      const added = drafts.map((draft, index) => {
        const when = draft.kind === "event" ? draft.time : draft.kind === "tick" ? draft.at : HOUR_MS;
        const stamp = { recordedAt: draft.recordedAt ?? when, tenancyVersion: draft.tenancyVersion ?? 1 };
        const version =
          draft.kind === "tick" || draft.kind === "close" ? { invoiceVersion: CURRENT_INVOICE_VERSION } : {};
        return { ...version, ...draft, ...stamp, seq: entries.length + 1 + index } as LedgerEntry;
      });
      entries.push(...added);
      return added;
    },
    voidOf(id: string): DraftEntry {
      const event = entries.find((entry): entry is RecordedEvent => entry.kind === "event" && entry.id === id);
      if (event === undefined) throw new Error(`no event ${id} to void`);
      return { kind: "void", tenantId: event.tenantId, reason: "wrong", actor: "test", event };
    },
  };
}
export type TestLedger = ReturnType<typeof ledgerOf>;

/** Reads test ledgers like ingestion's internal API would. */
export const ledgerClientOf = (ledgers: readonly TestLedger[]): LedgerClient => ({
  async read({ partition, from, limit, tenantId, ticksFrom = Number.NEGATIVE_INFINITY }) {
    const all = ledgers.find((ledger) => ledger.partition === partition)?.entries ?? [];
    const page = all.slice(from - 1, from - 1 + limit);
    const mine = page.filter(
      (entry) =>
        tenantId === undefined ||
        ("tenantId" in entry ? entry.tenantId === tenantId : entry.kind !== "tick" || entry.at >= ticksFrom),
    );
    return { entries: mine, nextSeq: from + page.length, headSeq: all.length };
  },
});

export interface BillingWorld {
  readonly database: Database;
  readonly tenancy: TenancyCopy;
  readonly state: ReturnType<typeof createTenancyState>;
  readonly clock: ReturnType<typeof manualClock>;
  /** Job ids that the aggregator queued. */
  readonly queued: string[];
  /** Applies what of a ledger lies above the mark, in batches of the given sizes (then everything else at once). */
  deliver(ledger: TestLedger, batchSizes?: readonly number[]): Promise<void>;
  /** How many transactions without a limit batches have asked for. */
  longTransactions(): number;
  /** A process that starts anew: nothing in memory. */
  restart(): void;
  /** Another living process gets the partitions; called again, the first one gets them back. */
  takeOver(): void;
  close(tenantId: string): Promise<void>;
  invoices(tenantId: string): Promise<StoredInvoice[]>;
  stop(): Promise<void>;
}

/** Billing on a database of its own, without the services around it. */
export async function billingWorld({ partLimits }: Pick<AggregatorOptions, "partLimits"> = {}): Promise<BillingWorld> {
  const created = await createMigratedDatabase("billing");
  const database = await openDatabase({
    url: created.url,
    profiles: PATIENT_LIMITS,
    // Only of idle connections, which the test server ends when it drops the database.
    onError: () => undefined,
  });
  const clock = manualClock(at("2026-03-10T00:00:00"));
  const state = createTenancyState(clock);
  const tenancy: TenancyCopy = { ...state.reads, stop: async () => undefined };
  const queued: string[] = [];
  const queue = { add: async (id: string) => void queued.push(id), remove: async () => undefined };
  const delivered = new Map<number, TestLedger>();
  const ledger: LedgerClient = { read: (query) => ledgerClientOf([...delivered.values()]).read(query) };
  const start = (): Aggregator =>
    createAggregator({
      ...{ tenancy, ledger, partitions: PARTITIONS, queue, clock },
      ...(partLimits !== undefined && { partLimits }),
    });
  let aggregator = start();
  let other = start();
  let long = 0;
  return {
    database,
    tenancy,
    state,
    clock,
    queued,
    deliver(ledger, sizes = []) {
      delivered.set(ledger.partition, ledger);
      return deliver(database, aggregator, ledger, sizes, () => (long += 1));
    },
    longTransactions: () => long,
    restart() {
      aggregator.stop();
      aggregator = start();
    },
    takeOver() {
      [aggregator, other] = [other, aggregator];
    },
    close: (tenantId) => closeTenant({ database, tenancy, clock }, tenantId),
    async invoices(tenantId) {
      const heads = (await listInvoices(database.pool, [{ tenantId, before: UNBOUNDED, take: 1000 }])).flat().reverse();
      const documents = await documentsByKey(database.pool, heads);
      return heads.map(({ currency: _, total: __, version: ___, ...head }) => ({
        ...head,
        document: documents.find(({ ordinal }) => ordinal === head.ordinal)?.document ?? "",
      }));
    },
    async stop() {
      aggregator.stop();
      other.stop();
      await database.stop();
      await created.drop();
    },
  };
}

/** What `startLedgerConsumer` does for one partition. */
async function deliver(
  database: Database,
  aggregator: Aggregator,
  { partition, entries }: TestLedger,
  sizes: readonly number[],
  onLong: () => void,
): Promise<void> {
  await database.pool.query("INSERT INTO high_water_mark VALUES ($1, 0, 0) ON CONFLICT DO NOTHING", [partition]);
  const { rows } = await database.pool.query<{ seq: number }>("SELECT seq FROM high_water_mark WHERE partition = $1", [
    partition,
  ]);
  let mark = rows[0]?.seq ?? 0;
  const rest = [...sizes];
  while (mark < entries.length) {
    const batch = entries.slice(mark, mark + Math.max(1, rest.shift() ?? entries.length));
    for (const step of ledgerSteps(batch, batch.length, () => [])) {
      const next = mark + step.length;
      const prepared = await aggregator.prepare(database, partition, step);
      const applied = (isLong: boolean) =>
        database.transaction(async (tx) => {
          const move = "UPDATE high_water_mark SET seq = $2 WHERE partition = $1 AND seq = $3";
          await tx.query(move, [partition, next, mark]);
          return aggregator.apply(tx, partition, step, prepared, isLong);
        });
      const afterCommit = await applied(prepared !== undefined).catch((error: unknown) => {
        if (!(error instanceof NeedsLongTransaction)) throw error;
        onLong();
        return applied(true);
      });
      await afterCommit?.();
      mark = next;
    }
  }
}

/** All cells of each query. */
export const allCells = (database: Database, queries: readonly UsageQuery[]): Promise<BucketedCell[][]> =>
  database.transaction(async (tx) => {
    const all = queries.map((): BucketedCell[] => []);
    for await (const { query, cells } of readCells(tx, queries)) for (const cell of cells) all[query]?.push(cell);
    return all;
  });

/** A tenant id whose partition is this one. */
export function tenantOn(partition: number): string {
  for (let n = 0; ; n += 1) if (partitionOf(`t${n}`, PARTITIONS) === partition) return `t${n}`;
}

export const ledgerFor = (tenantId: string, partitions = PARTITIONS): TestLedger =>
  ledgerOf(partitionOf(tenantId, partitions));

/** Lines of an invoice as a person would compare them. */
export function linesOf(
  invoice: StoredInvoice | undefined,
): { kind: string; meter: string | null; quantity: string; amount: string }[] {
  const document: { lines: { kind: string; meter: string | null; quantity: string; amount: string }[] } = JSON.parse(
    invoice?.document ?? '{"lines":[]}',
  );
  return document.lines.map(({ kind, meter, quantity, amount }) => ({ kind, meter, quantity, amount }));
}
