import { createHash } from "node:crypto";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import { type Database, openDatabase, type Transaction } from "#platform/database/database.js";
import { type HeldLock, holdLock } from "#platform/database/held-lock.js";
import type { LedgerClient, LedgerPage } from "#platform/ledger/client.js";
import { ledgerPages } from "#platform/ledger/pages.js";
import { ledgerSteps } from "#platform/ledger/steps.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { closeTenant } from "../closing/close.js";
import { endAttempts } from "../store/backfills.js";
import { waitingCloses } from "../store/periods.js";
import { COMPARED, type Comparison, dropSchema, firstDifference, replaceUsage } from "../store/rebuilt.js";
import { readMarks } from "../store/usage.js";
import { createAggregator } from "../usage-recorded.js";

export interface RebuildOptions {
  readonly database: Database;
  readonly tenancy: TenancyCopy;
  readonly ledger: LedgerClient;
  readonly clock: Clock;
  readonly partitions: number;
  /** Billing's migrations, which create the tables beside the live ones. */
  readonly migrationsDir: string;
  readonly onError: (error: unknown) => void;
}

export interface RebuildRequest {
  /** Undefined: everything. */
  readonly tenantId: string | undefined;
  readonly checkOnly: boolean;
}

export type RebuildStep =
  | { readonly kind: "progress"; readonly entries: number; readonly of: number; readonly events: number }
  | { readonly kind: "compared"; readonly comparison: Comparison }
  | { readonly kind: "done"; readonly events: number; readonly differences: number; readonly replaced: boolean };

/** Only one rebuild at a time. One that lost the lock while frozen is fenced by the marks of the tables beside. */
const REBUILD_LOCK = 7_244_118_302;

/**
 * Rebuilds everything from the ledger with the same code, in a schema beside the live tables, which stay in use; then compares
 * both as of one moment, and unless `check` replaces usage that differs. Invoices and closed periods are only compared. An
 * interrupted rebuild is resumed. Throws NOT_FOUND, or CONFLICT while another rebuild runs.
 */
export async function* rebuild(options: RebuildOptions, request: RebuildRequest): AsyncGenerator<RebuildStep> {
  const { tenantId } = request;
  if (tenantId !== undefined && options.tenancy.tenant(tenantId) === undefined)
    throw new MetrlyError("NOT_FOUND", "The tenant does not exist");
  const lock = await holdLock(options.database.under("rebuild"), REBUILD_LOCK);
  if (lock === undefined) throw new MetrlyError("CONFLICT", "Another rebuild is running");
  try {
    yield* rebuildLocked(options, request, lock);
  } finally {
    await lock.release();
  }
}

async function* rebuildLocked(
  options: RebuildOptions,
  request: RebuildRequest,
  lock: HeldLock,
): AsyncGenerator<RebuildStep> {
  const schema = schemaOf(request.tenantId);
  const { url, profiles } = options.database;
  const { migrationsDir, onError } = options;
  const beside = await openDatabase({ url, schema, migrationsDir, profiles, onError });
  const deriving = createDeriving(options, beside, request.tenantId);
  try {
    // Of a rebuild that ended in the middle of a backfill, or that lost the lock.
    await endAttempts(beside.pool);
    yield* deriving.upTo(await readMarks(options.database.pool));
    const { differences, isUsageWrong } = yield* compareNow(options, beside, deriving, request.tenantId);
    const replaced = isUsageWrong && !request.checkOnly;
    lock.assertHeld();
    if (replaced) await replace(options, deriving, request.tenantId, schema);
    await dropSchema(options.database.under("rebuild"), schema);
    yield { kind: "done", events: deriving.events(), differences, replaced };
  } finally {
    deriving.stop();
    await beside.stop();
  }
}

/** Each scope has its own schema, so that a rebuild of another scope does not resume it. */
const schemaOf = (tenantId: string | undefined): string =>
  tenantId === undefined ? "rebuild" : `rebuild_${createHash("sha256").update(tenantId).digest("hex").slice(0, 16)}`;

type Marks = ReadonlyMap<number, number>;

/** Feeds the ledger to billing's own aggregation and closing, on the tables beside. */
function createDeriving(options: RebuildOptions, beside: Database, tenantId: string | undefined) {
  const { ledger, clock, partitions } = options;
  const sessions = beside.under("rebuild");
  const tenancy = tenantId === undefined ? options.tenancy : onlyTenant(options.tenancy, tenantId);
  const due = new Set<string>();
  const queue = {
    add: async (_: string, job: { tenantId: string }) => void due.add(job.tenantId),
    remove: async () => undefined,
  };
  const aggregator = createAggregator({ tenancy, ledger, partitions, queue, clock });
  let events = 0;

  async function take(partition: number, from: number, { entries, nextSeq }: LedgerPage, to: number): Promise<number> {
    const end = Math.min(to, nextSeq - 1);
    const steps = [...ledgerSteps(entries, entries.length, tenancy.metersOfType)];
    let mark = from;
    for (const step of steps.slice(0, -1)) mark = await apply(partition, mark, step.at(-1)?.seq ?? mark, step);
    mark = await apply(partition, mark, end, steps.at(-1) ?? []);
    events += entries.filter(({ kind }) => kind === "event").length;
    return mark;
  }

  /** The mark moves by compare-and-swap, as in `startLedgerConsumer`. */
  async function apply(partition: number, mark: number, to: number, entries: LedgerPage["entries"]): Promise<number> {
    const prepared = await aggregator.prepare(sessions, partition, entries);
    const afterCommit = await sessions.transaction(async (tx) => {
      const { rowCount } = await tx.query("UPDATE high_water_mark SET seq = $3 WHERE partition = $1 AND seq = $2", [
        partition,
        mark,
        to,
      ]);
      if (rowCount !== 1) throw new MetrlyError("CONFLICT", "Another rebuild has taken over");
      return entries.length === 0 ? undefined : aggregator.apply(tx, partition, entries, prepared);
    });
    await afterCommit?.();
    return to;
  }

  async function closeDue(): Promise<void> {
    const tenantIds = [...due];
    due.clear();
    for (const id of tenantIds) await closeTenant({ database: beside, tenancy, clock }, id);
  }

  return {
    events: () => events,
    stop: () => aggregator.stop(),
    /** Derives everything up to these marks, from where an earlier run stopped. */
    async *upTo(marks: Marks): AsyncGenerator<RebuildStep> {
      const wanted = [...marks].filter(
        ([partition]) => tenantId === undefined || partition === partitionOf(tenantId, partitions),
      );
      const of = wanted.reduce((sum, [, to]) => sum + to, 0);
      const before = await readMarks(beside.pool);
      let entries = wanted.reduce((sum, [partition]) => sum + (before.get(partition) ?? 0), 0);
      // An interrupted run may have left pending closes.
      for (const { tenantId: id } of await waitingCloses(beside.pool, Number.MAX_SAFE_INTEGER)) due.add(id);
      for (const [partition, to] of wanted) {
        await beside.pool.query("INSERT INTO high_water_mark VALUES ($1, 0, 0) ON CONFLICT DO NOTHING", [partition]);
        let mark = before.get(partition) ?? 0;
        const range = { partition, from: mark + 1, to, readsAhead: true, ...(tenantId !== undefined && { tenantId }) };
        for await (const page of ledgerPages(ledger, range)) {
          const next = await take(partition, mark, page, to);
          entries += next - mark;
          mark = next;
          await closeDue();
          yield { kind: "progress", entries, of, events };
        }
      }
      await closeDue();
    },
  };
}

type Deriving = ReturnType<typeof createDeriving>;

/** Both as of one snapshot of the live tables: the rebuilt tables are advanced to exactly its marks. */
async function* compareNow(
  { database }: RebuildOptions,
  beside: Database,
  deriving: Deriving,
  tenantId: string | undefined,
): AsyncGenerator<RebuildStep, { readonly differences: number; readonly isUsageWrong: boolean }> {
  const live = await database.under("rebuild").begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  let differences = 0;
  let isUsageWrong = false;
  try {
    yield* deriving.upTo(await readMarks(live.tx));
    const rebuilt = await beside.under("rebuild").begin("BEGIN READ ONLY");
    try {
      for (const content of COMPARED) {
        const comparison = await firstDifference(live.tx, rebuilt.tx, content, tenantId);
        if (comparison.difference !== undefined) {
          differences += 1;
          isUsageWrong ||= content.isReplaceable;
        }
        yield { kind: "compared", comparison };
      }
    } finally {
      await rebuilt.rollback();
    }
  } finally {
    // Also when the client disconnects: a connection must not return to the pool with its transaction.
    await live.rollback();
  }
  return { differences, isUsageWrong };
}

/** Holds the marks meanwhile, so that no batch comes between the rebuilt tables and their replacement. */
async function replace(
  { database, partitions }: RebuildOptions,
  deriving: Deriving,
  tenantId: string | undefined,
  schema: string,
): Promise<void> {
  await database.under("rebuild").transaction(async (tx: Transaction) => {
    await tx.query(
      "SELECT 1 FROM high_water_mark WHERE $1::int IS NULL OR partition = $1 ORDER BY partition FOR UPDATE",
      [tenantId === undefined ? null : partitionOf(tenantId, partitions)],
    );
    for await (const _ of deriving.upTo(await readMarks(tx)));
    await replaceUsage(tx, schema, tenantId);
  });
}

function onlyTenant(tenancy: TenancyCopy, tenantId: string): TenancyCopy {
  const isIt = (id: string) => id === tenantId;
  return {
    ...tenancy,
    tenant: (id) => (isIt(id) ? tenancy.tenant(id) : undefined),
    tenants: () => [...tenancy.tenants()].filter(({ id }) => isIt(id)),
    onChange: (listener) =>
      tenancy.onChange((change) => {
        if (change.kind !== "tenant" || isIt(change.id)) listener(change);
      }),
  };
}
