import type { Clock } from "#kernel/clock.js";
import { hourOf } from "#kernel/period.js";
import type { Database, Transaction } from "#platform/database/database.js";
import { DatabaseError } from "#platform/database/session.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import type { CountedDimensions, DimensionLimit, LimitOf } from "../dimensions/dimension-limit.js";
import type { DecodedItem } from "../rules/decode-record.js";
import {
  createEventReader,
  type DimensionScope,
  type DimensionUse,
  type EventReader,
  type EventReading,
  type MetersAndTenants,
} from "../rules/event-reading.js";
import { eventKeyOf, fingerprintUuid, recordUuid } from "../rules/fingerprint.js";
import type { LookupControl, RecordingStep } from "../rules/plan-steps.js";
import { reachOf, unreadReach } from "../rules/reach.js";
import { eventEntry, type QuarantineCause, recordBatch } from "../rules/record-items.js";
import { mayVoid, refuseAcceptance } from "../rules/resolve-event.js";
import {
  oldestPending,
  type PendingEvent,
  passKey,
  type Resolution,
  recordedEventAt,
  saveResolution,
  saveVoid,
  stateOf,
} from "../store/control.js";
import { ensureLedgerMonths } from "../store/ledger.js";
import { blocksOf, type LedgerBlock } from "../store/ledger-block.js";
import {
  appendToLedger,
  changeAccounts,
  keepPoison,
  knownKeys,
  lockCursor,
  moveCursor,
  newestArrival,
  type RecorderCursor,
  saveBatch,
  saveReach,
} from "../store/recording.js";

export interface RecordingDependencies {
  /** Whether every reader of the ledger reads columns. */
  writesColumns(): boolean;
  readonly database: Database;
  readonly tenancy: Pick<TenancyCopy, "version" | "caughtUp" | "tenant"> & MetersAndTenants;
  readonly dimensions: DimensionLimit;
  readonly clock: Clock;
}

export interface Recorded {
  readonly kind: "recorded";
  readonly cursor: RecorderCursor;
  readonly entries: readonly LedgerEntry[];
  /** The entries as the ledger has them. */
  readonly blocks: readonly LedgerBlock[];
  readonly duplicates: number;
  readonly quarantined: number;
  /** Events accepted from quarantine. */
  readonly released: number;
  /** Scopes that refused a dimension value for the first time. */
  readonly full: readonly DimensionScope[];
}
/** Fenced: another recorder advanced the partition; read on at `next`. */
export interface Fenced {
  readonly kind: "fenced";
  readonly next: number;
}

interface Stamp {
  readonly recordedAt: number;
  readonly tenancyVersion: number;
}

/**
 * Records one step, whose tenancy versions are known, in one transaction: rows, accounts and cursor move together or not at all. The partition's row is locked
 * first, so that of two recorders one finds the cursor moved and changes nothing.
 */
export async function recordStep(
  dependencies: RecordingDependencies,
  partition: number,
  step: RecordingStep,
): Promise<Recorded | Fenced> {
  const { database, tenancy, clock } = dependencies;
  // Once for the whole step: a type's meter may have been created a moment ago, and unmetered usage is never billed.
  if (hasUnknownType(step, tenancy)) await tenancy.caughtUp();
  // Read the version before the lookup so that the stamp is never newer than the meters used.
  const stamp: Stamp = { recordedAt: clock.now(), tenancyVersion: tenancy.version() };
  try {
    return await recordStamped(dependencies, partition, step, stamp);
  } catch (error) {
    if (!isMonthMissing(error)) throw error;
    await ensureLedgerMonths(database, stamp.recordedAt);
    return recordStamped(dependencies, partition, step, stamp);
  }
}

function hasUnknownType({ elements }: RecordingStep, tenancy: MetersAndTenants): boolean {
  const isKnown = new Map<string, boolean>();
  for (const element of elements) {
    if (element.kind !== "item") continue;
    const { type } = element.item;
    const known = isKnown.get(type) ?? tenancy.metersOfType(type).length > 0;
    if (!known) return true;
    isKnown.set(type, true);
  }
  return false;
}

/**
 * The month's table is missing: the clock has passed into a month that was not prepared. PostgreSQL has one code for it and for
 * violated constraints; only the latter have a name.
 */
const isMonthMissing = (error: unknown): boolean =>
  error instanceof DatabaseError && error.code === "23514" && error.constraint === undefined;

async function recordStamped(
  { database, tenancy, dimensions, writesColumns }: RecordingDependencies,
  partition: number,
  step: RecordingStep,
  stamp: Stamp,
): Promise<Recorded | Fenced> {
  const first = step.records[0].offset;
  const last = step.records.at(-1) ?? step.records[0];
  const reader = createEventReader(tenancy, stamp.tenancyVersion);
  const result = await database.transaction(async (tx) => {
    const cursor = await lockCursor(tx, partition);
    if (cursor.next !== first) return { kind: "fenced" as const, next: cursor.next };
    if (cursor.tenancyVersion > stamp.tenancyVersion)
      throw new Error(`this copy of tenancy is at ${stamp.tenancyVersion}, the ledger at ${cursor.tenancyVersion}`);
    const open: Recording = {
      ...{ tx, partition, cursor, stamp, reader, limitOf: dimensions.limitOf },
      counting: (events, usesOf) => dimensions.open(tx, partition, first, scopesOf(reader, events), usesOf),
    };
    const { counted, ...effect } =
      step.lookup === undefined ? await recordElements(open, step) : await recordLookup(open, step.lookup);
    const blocks = blocksOf(partition, effect.entries, writesColumns());
    await appendToLedger(tx, partition, blocks);
    await counted.save(tx);
    for (const poison of step.poison) await keepPoison(tx, partition, poison, stamp.recordedAt);
    const isOfTest = (tenantId: string): boolean => (tenancy.tenant(tenantId)?.testClock ?? null) !== null;
    const reachedHour = await noteReach(tx, partition, cursor, effect.entries, isOfTest);
    const seq = cursor.seq + effect.entries.length;
    const moved: RecorderCursor = {
      next: last.offset + 1,
      seq,
      tenancyVersion: stamp.tenancyVersion,
      recordedThrough: Math.max(cursor.recordedThrough, last.timestamp),
      lastRecord: recordUuid(last.value),
      reachedHour,
      reachedSeq: seq,
    };
    await moveCursor(tx, partition, first, moved, {
      items: step.elements.filter(({ kind }) => kind === "item").length,
      events: effect.entries.filter(({ kind }) => kind === "event").length,
      duplicates: effect.duplicates,
      quarantined: effect.quarantined - effect.released,
    });
    return { kind: "recorded" as const, cursor: moved, ...effect, blocks, full: counted.newlyFull(), counted };
  });
  if (result.kind === "fenced") return result;
  const { counted, ...recorded } = result;
  counted.committed(recorded.cursor.next);
  return recorded;
}

/** Returns the newest hour that is noted then. */
async function noteReach(
  tx: Transaction,
  partition: number,
  { seq, reachedSeq, reachedHour }: RecorderCursor,
  entries: readonly LedgerEntry[],
  isOfTest: (tenantId: string) => boolean,
): Promise<number> {
  let newest = reachedHour;
  if (reachedSeq < seq) {
    // Bounded instead of read: it may be the whole ledger.
    const unread = unreadReach(reachedSeq + 1, await newestArrival(tx, partition));
    if (unread !== undefined && unread.hour > newest) {
      await saveReach(tx, partition, unread);
      newest = unread.hour;
    }
  }
  const reach = reachOf(entries, newest, isOfTest);
  if (reach === undefined) return newest;
  await saveReach(tx, partition, reach);
  return reach.hour;
}

/** The state of one transaction. */
interface Recording {
  readonly tx: Transaction;
  readonly partition: number;
  readonly cursor: RecorderCursor;
  readonly stamp: Stamp;
  readonly reader: EventReader;
  readonly limitOf: LimitOf;
  /** The counted values in the scopes of these events; `usesOf`: all that will be asked for. */
  counting(
    events: readonly Parameters<EventReader["scopes"]>[0][],
    usesOf: () => readonly DimensionUse[],
  ): Promise<CountedDimensions>;
}

type Effect = Omit<Recorded, "kind" | "cursor" | "blocks" | "full"> & { readonly counted: CountedDimensions };

async function recordElements(open: Recording, { elements }: RecordingStep): Promise<Effect> {
  const { tx, partition, cursor, stamp, reader } = open;
  const items = itemsOf(elements);
  const known = items.length === 0 ? new Map() : await knownKeys(tx, partition, items);
  const counted = await open.counting(items, () => items.flatMap((item) => usesOf(reader.read(item))));
  const outcome = recordBatch(elements, known, { seq: cursor.seq, ...stamp }, (item) => {
    const reading = reader.read(item);
    if (reading.kind === "invalid") return { reason: "VALUE_INVALID", detail: reading.detail };
    const full = counted.admit(reading.uses);
    return full === undefined ? undefined : overLimit(full, open.limitOf(full));
  });
  await saveBatch(tx, partition, outcome);
  let duplicates = 0;
  for (const count of outcome.duplicates.values()) duplicates += count;
  return { entries: outcome.entries, duplicates, quarantined: outcome.quarantined.length, released: 0, counted };
}

function itemsOf(elements: RecordingStep["elements"]): DecodedItem[] {
  const items: DecodedItem[] = [];
  for (const element of elements) if (element.kind === "item") items.push(element.item);
  return items;
}

function scopesOf(reader: EventReader, events: Parameters<Recording["counting"]>[0]): Map<string, DimensionScope> {
  const scopes = new Map<string, DimensionScope>();
  for (const event of events) for (const scope of reader.scopes(event)) scopes.set(scope.key, scope);
  return scopes;
}

const usesOf = (reading: EventReading | undefined): readonly DimensionUse[] =>
  reading?.kind === "readable" ? reading.uses : [];

function overLimit({ meter, period }: DimensionScope, limit: number): QuarantineCause {
  const dimensions = meter.dimensions.join(", ");
  const start = new Date(period.start).toISOString().slice(0, 10);
  return {
    reason: "DIMENSION_LIMIT",
    detail: `meter ${meter.id} has ${limit} combinations of ${dimensions} in the period from ${start} already, which is the limit`,
  };
}

async function recordLookup(open: Recording, control: LookupControl): Promise<Effect> {
  const common = { seq: open.cursor.seq + 1, ...open.stamp };
  if (control.kind === "resolve") return recordResolution(open, control, common);
  const entries = await recordVoid(open.tx, open.partition, control, common);
  return { entries, duplicates: 0, quarantined: 0, released: 0, counted: await open.counting([], () => []) };
}

type Common = Stamp & { readonly seq: number };

async function recordVoid(
  tx: Transaction,
  partition: number,
  { tenantId, source, id, reason, actor, eventSeq }: Extract<LookupControl, { kind: "void" }>,
  common: Common,
): Promise<LedgerEntry[]> {
  const state = await stateOf(tx, partition, eventKeyOf(tenantId, source, id));
  if (!mayVoid(state) || typeof state.seq !== "number") return [];
  // A duplicate of the control record, after another event was accepted under this key.
  if (eventSeq !== undefined && eventSeq !== state.seq) return [];
  const event = await recordedEventAt(tx, partition, state.seq);
  await saveVoid(tx, partition, { eventSeq: state.seq, voidSeq: common.seq, reason, actor });
  return [{ kind: "void", ...common, tenantId, reason, actor, event }];
}

async function recordResolution(
  open: Recording,
  { tenantId, source, id, accept, reason, actor, ...meant }: Extract<LookupControl, { kind: "resolve" }>,
  common: Common,
): Promise<Effect> {
  const { tx, partition } = open;
  const key = eventKeyOf(tenantId, source, id);
  const pending = await oldestPending(tx, partition, key);
  const read = () => (pending === undefined ? undefined : open.reader.read(pending));
  const counted = await open.counting(pending === undefined ? [] : [pending], () => usesOf(read()));
  const none = { entries: [], duplicates: 0, quarantined: 0, released: 0, counted };
  if (pending === undefined) return none;
  const { fingerprint } = pending;
  // A duplicate of the control record that resolved the previous event.
  if (meant.fingerprint !== undefined && fingerprintUuid(meant.fingerprint) !== fingerprint) return none;
  const resolution = { key, fingerprint, reason, actor, at: common.recordedAt };
  if (!accept) {
    await saveResolution(tx, partition, { ...resolution, status: "REFUSED" });
    return none;
  }
  const reading = open.reader.read(pending);
  const invalid = reading.kind === "invalid" ? reading.detail : undefined;
  if (refuseAcceptance(await stateOf(tx, partition, key), invalid) !== undefined) return none;
  // Accepting an event also counts its dimension values beyond the limit.
  if (reading.kind === "readable") counted.count(reading.uses);
  return { ...none, entries: await acceptPending(open, pending, resolution, common), released: 1 };
}

async function acceptPending(
  { tx, partition }: Recording,
  pending: PendingEvent,
  resolution: Omit<Resolution, "status">,
  common: Common,
): Promise<LedgerEntry[]> {
  const { key, fingerprint } = resolution;
  const { tenantId } = pending;
  await saveResolution(tx, partition, { ...resolution, status: "ACCEPTED" });
  await passKey(tx, partition, { key, fingerprint, seq: common.seq });
  const hour = hourOf(pending.receivedAt);
  await changeAccounts(tx, partition, [{ tenantId, hour, accepted: 0, recorded: 1, duplicates: 0, quarantined: -1 }]);
  return [eventEntry(pending, common)];
}
