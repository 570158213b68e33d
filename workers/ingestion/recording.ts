import type { Clock } from "#kernel/clock.js";
import { hourOf } from "#kernel/period.js";
import type { Database, Transaction } from "#platform/database.js";
import type { TenancyCopy } from "#platform/tenancy-copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { readMeter } from "#schema/meter-reading.js";
import { isMeterActive } from "#schema/tenancy-history.js";
import { eventKeyOf, fingerprintUuid, recordUuid } from "./rules/fingerprint.js";
import type { LookupControl, RecordingStep } from "./rules/plan-steps.js";
import { eventEntry, recordBatch } from "./rules/record-items.js";
import { mayVoid, refuseAcceptance } from "./rules/resolve-event.js";
import {
  appendToLedger,
  changeAccounts,
  keepPoison,
  knownKeys,
  lockCursor,
  moveCursor,
  type RecorderCursor,
  saveBatch,
} from "./store.js";
import { oldestPending, passKey, recordedEventAt, saveResolution, saveVoid, standingOf } from "./store-control.js";
import { ensureLedgerMonths } from "./store-reads.js";

export interface RecordingDependencies {
  readonly database: Database;
  readonly tenancy: Pick<TenancyCopy, "version" | "reached" | "metersOfType">;
  readonly clock: Clock;
  /** Aborts the wait for tenancy. */
  readonly stopped?: AbortSignal;
}

export interface Recorded {
  readonly kind: "recorded";
  readonly cursor: RecorderCursor;
  readonly entries: readonly LedgerEntry[];
  readonly duplicates: number;
  readonly quarantined: number;
  /** Events that were accepted out of quarantine. */
  readonly released: number;
}
/** The partition was recorded further by someone else: read on at `next`. */
export interface Fenced {
  readonly kind: "fenced";
  readonly next: number;
}

interface Stamp {
  readonly recordedAt: number;
  readonly tenancyVersion: number;
}

/**
 * Records one step in one transaction: rows, accounts and cursor move together or not at all. The partition's row is locked
 * first, so that of two recorders one finds the cursor moved and changes nothing.
 */
export async function recordStep(
  dependencies: RecordingDependencies,
  partition: number,
  step: RecordingStep,
): Promise<Recorded | Fenced> {
  const { database, tenancy, clock } = dependencies;
  await tenancyReached(dependencies, step.tenancyVersion);
  // Read once and before: what is stamped is what the meters were looked up under, or older.
  const stamp: Stamp = { recordedAt: clock.now(), tenancyVersion: tenancy.version() };
  try {
    return await recordStamped(database, tenancy, partition, step, stamp);
  } catch (error) {
    if (!isMonthMissing(error)) throw error;
    await ensureLedgerMonths(database, stamp.recordedAt);
    return recordStamped(database, tenancy, partition, step, stamp);
  }
}

/** No table holds what is recorded now: the clock has passed into a month that nobody made ready. */
const isMonthMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "23514" && error.message.startsWith("no partition of");

function recordStamped(
  database: Database,
  tenancy: RecordingDependencies["tenancy"],
  partition: number,
  step: RecordingStep,
  stamp: Stamp,
): Promise<Recorded | Fenced> {
  const first = step.records[0].offset;
  const last = step.records.at(-1) ?? step.records[0];
  return database.transaction(async (tx) => {
    const cursor = await lockCursor(tx, partition);
    if (cursor.next !== first) return { kind: "fenced", next: cursor.next };
    if (cursor.tenancyVersion > stamp.tenancyVersion)
      throw new Error(`this copy of tenancy is at ${stamp.tenancyVersion}, the ledger at ${cursor.tenancyVersion}`);
    const effect =
      step.lookup === undefined
        ? await recordElements(tx, partition, step, cursor, stamp, tenancy)
        : await recordLookup(tx, partition, step.lookup, cursor, stamp, tenancy);
    for (const poison of step.poison) await keepPoison(tx, partition, poison, stamp.recordedAt);
    const moved: RecorderCursor = {
      next: last.offset + 1,
      seq: cursor.seq + effect.entries.length,
      tenancyVersion: stamp.tenancyVersion,
      recordedThrough: Math.max(cursor.recordedThrough, last.timestamp),
      lastRecord: recordUuid(last.value),
    };
    await moveCursor(tx, partition, first, moved, {
      items: step.elements.filter(({ kind }) => kind === "item").length,
      events: effect.entries.filter(({ kind }) => kind === "event").length,
      duplicates: effect.duplicates,
      quarantined: effect.quarantined - effect.released,
    });
    return { kind: "recorded", cursor: moved, ...effect };
  });
}

const TENANCY_PATIENCE_MS = 30_000;

/** Waits until this copy of tenancy knows what the record's writer knew; a batch that waits in vain is delivered again. */
export async function tenancyReached(
  {
    tenancy,
    stopped,
  }: Pick<RecordingDependencies, "stopped"> & {
    readonly tenancy: Pick<TenancyCopy, "version" | "reached">;
  },
  version: number,
): Promise<void> {
  if (tenancy.version() >= version) return;
  const patience = AbortSignal.timeout(TENANCY_PATIENCE_MS);
  await tenancy.reached(version, stopped === undefined ? patience : AbortSignal.any([patience, stopped]));
}

type Effect = Omit<Recorded, "kind" | "cursor">;
type Meters = Pick<TenancyCopy, "metersOfType">;

async function recordElements(
  tx: Transaction,
  partition: number,
  step: RecordingStep,
  cursor: RecorderCursor,
  stamp: Stamp,
  tenancy: Meters,
): Promise<Effect> {
  const items = step.elements.flatMap((element) => (element.kind === "item" ? [element.item] : []));
  const known = items.length === 0 ? new Map() : await knownKeys(tx, partition, items);
  const outcome = recordBatch(step.elements, known, { seq: cursor.seq, ...stamp }, (item) =>
    invalidFor(tenancy, item.type, item.value, stamp.tenancyVersion),
  );
  await saveBatch(tx, partition, outcome);
  let duplicates = 0;
  for (const count of outcome.duplicates.values()) duplicates += count;
  return { entries: outcome.entries, duplicates, quarantined: outcome.quarantined.length, released: 0 };
}

function invalidFor(tenancy: Meters, type: string, value: unknown, version: number): string | undefined {
  for (const meter of tenancy.metersOfType(type)) {
    if (!isMeterActive(meter, version)) continue;
    const reading = readMeter(meter, value);
    if (reading.kind === "invalid") return `${reading.path}: ${reading.reason}`;
  }
  return undefined;
}

async function recordLookup(
  tx: Transaction,
  partition: number,
  control: LookupControl,
  cursor: RecorderCursor,
  stamp: Stamp,
  tenancy: Meters,
): Promise<Effect> {
  const common = { seq: cursor.seq + 1, ...stamp };
  const entries =
    control.kind === "void"
      ? await recordVoid(tx, partition, control, common)
      : await recordResolution(tx, partition, control, common, tenancy);
  await appendToLedger(tx, partition, entries);
  return { entries, duplicates: 0, quarantined: 0, released: control.kind === "resolve" ? entries.length : 0 };
}

type Common = Stamp & { readonly seq: number };

async function recordVoid(
  tx: Transaction,
  partition: number,
  { tenantId, source, id, reason, actor, eventSeq }: Extract<LookupControl, { kind: "void" }>,
  common: Common,
): Promise<LedgerEntry[]> {
  const standing = await standingOf(tx, partition, eventKeyOf(tenantId, source, id));
  if (!mayVoid(standing) || typeof standing.seq !== "number") return [];
  // A repeat of the record, behind the acceptance of another event under this key.
  if (eventSeq !== undefined && eventSeq !== standing.seq) return [];
  const event = await recordedEventAt(tx, partition, standing.seq);
  await saveVoid(tx, partition, { eventSeq: standing.seq, voidSeq: common.seq, reason, actor });
  return [{ kind: "void", ...common, tenantId, reason, actor, event }];
}

async function recordResolution(
  tx: Transaction,
  partition: number,
  { tenantId, source, id, accept, reason, actor, ...meant }: Extract<LookupControl, { kind: "resolve" }>,
  common: Common,
  tenancy: Meters,
): Promise<LedgerEntry[]> {
  const key = eventKeyOf(tenantId, source, id);
  const pending = await oldestPending(tx, partition, key);
  if (pending === undefined) return [];
  const { fingerprint } = pending;
  // A repeat of the record, that has decided about the event before this one.
  if (meant.fingerprint !== undefined && fingerprintUuid(meant.fingerprint) !== fingerprint) return [];
  const resolution = { key, fingerprint, reason, actor, at: common.recordedAt };
  if (!accept) {
    await saveResolution(tx, partition, { ...resolution, status: "REFUSED" });
    return [];
  }
  const invalid = invalidFor(tenancy, pending.type, JSON.parse(pending.data), common.tenancyVersion);
  if (refuseAcceptance(await standingOf(tx, partition, key), invalid) !== undefined) return [];
  await saveResolution(tx, partition, { ...resolution, status: "ACCEPTED" });
  await passKey(tx, partition, { key, fingerprint, seq: common.seq });
  const hour = hourOf(pending.receivedAt);
  await changeAccounts(tx, partition, [{ tenantId, hour, accepted: 0, recorded: 1, duplicates: 0, quarantined: -1 }]);
  return [eventEntry(pending, common)];
}
