import type { Clock } from "#kernel/clock.js";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import { partitionOf } from "#kernel/partition.js";
import { hourOf, type Period } from "#kernel/period.js";
import type { Database, Transaction } from "#platform/database/database.js";
import { batched } from "#platform/graphql/batched.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { knownTenant, onceCaughtUp, UnknownHere } from "#platform/tenancy-client/caught-up.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { MeterState } from "#schema/events/tenancy-changed.v1.js";
import { runningPeriod } from "#schema/tenancy-history.js";
import { periodStartingAt } from "../rules/calendar.js";
import { totalsOf, type UsageTotal } from "../rules/usage-totals.js";
import { readLastEvents } from "../store/last-events.js";
import { type BucketedCell, readCells, readCounts, UNBOUNDED, type UsageQuery } from "../store/usage.js";
import type { AccountingType, Granularity, UsageTotalType } from "./types.js";

const BUCKET_MS: Readonly<Record<Granularity, number>> = { HOUR: HOUR_MS, DAY: DAY_MS, PERIOD: 0 };
/** Maximum totals per response. */
const MAX_TOTALS = 10_000;
/** More than a meter has dimensions, since a request may be for all meters. */
const MAX_GROUPED = 50;

export interface UsageTotalsArguments {
  readonly periodStart: number | null;
  readonly meter: string | null;
  readonly groupBy: readonly string[];
  readonly granularity: Granularity;
  /** As known at the start of this moment's UTC hour. */
  readonly asOf: number | null;
}

export interface GraphOptions {
  readonly database: Database;
  readonly tenancy: TenancyCopy;
  readonly clock: Clock;
  readonly partitions: number;
}

export type UsageReads = ReturnType<typeof createUsageReads>;

/** Reads of usage for the graph, batched over the tenants of an operation. */
export function createUsageReads({ database, tenancy, clock, partitions }: GraphOptions) {
  const totalsIn = batched((requests: readonly TotalsRequest[], { signal }) =>
    database.transaction((tx) => readTotals(tx, requests, signal)),
  );
  const countsOf = batched((queries: readonly Parameters<typeof readCounts>[1][number][]) =>
    readCounts(database.pool, queries),
  );

  async function usageTotals(
    context: SubgraphContext,
    tenantId: string,
    args: UsageTotalsArguments,
  ): Promise<UsageTotalType[]> {
    const tenant = await knownTenant(tenancy, tenantId);
    const period =
      args.periodStart === null ? runningPeriod(tenant, clock.now()) : periodStartingAt(tenant, args.periodStart);
    const meters = await onceCaughtUp(tenancy, () => wantedMeters(tenancy, args));
    const query: UsageQuery = {
      tenantId,
      from: period.start,
      to: period.end,
      maxSeq: UNBOUNDED,
      recordedBefore: args.asOf === null ? UNBOUNDED : hourOf(args.asOf),
      meter: args.meter,
      bucketMs: BUCKET_MS[args.granularity],
    };
    const totals = await totalsIn(context, { query, meters, groupBy: args.groupBy });
    if (totals.length > MAX_TOTALS) {
      throw new MetrlyError(
        "INVALID",
        `usageTotals: more than ${MAX_TOTALS} totals; request one meter or a coarser granularity`,
      );
    }
    return totals.map(({ bucket, ...total }) => ({ ...total, ...bucketSpan(period, bucket, args.granularity) }));
  }

  /** Counts of events received in [from, to), rounded outwards to full hours, with their ledger position. */
  async function accounting(
    context: SubgraphContext,
    tenantId: string,
    fromMs: number | null,
    toMs: number | null,
  ): Promise<AccountingType> {
    const from = fromMs === null ? null : hourOf(fromMs);
    const to = toMs === null ? null : hourOf(toMs + HOUR_MS - 1);
    const partition = partitionOf(tenantId, partitions);
    const { counted, unmetered, mark } = await countsOf(context, { tenantId, partition, from, to });
    const id = Buffer.from(JSON.stringify({ tenantId, from, to, mark })).toString("base64url");
    return { id, counted, unmetered, asOf: clock.now() };
  }

  return { usageTotals, accounting };
}

interface TotalsRequest {
  readonly query: UsageQuery;
  /** By key. */
  readonly meters: ReadonlyMap<string, MeterState>;
  readonly groupBy: readonly string[];
}

/** Cells whose last events are read together. */
const MAX_HELD_CELLS = 5_000;

/** The totals of each request, in the order of the meters' keys; more than `MAX_TOTALS`: not all of them. */
async function readTotals(
  tx: Transaction,
  requests: readonly TotalsRequest[],
  signal: AbortSignal | undefined,
): Promise<UsageTotal[][]> {
  const totals = requests.map((): UsageTotal[] => []);
  const queries = requests.map((request) => request.query);
  let held: HeldGroup[] = [];
  // Those between them too: their last events are read with them.
  let heldCells = 0;

  async function correctHeld(): Promise<void> {
    const lasts = await lastEventsOf(tx, queries, held);
    for (const { query, meter, cells, at, groupBy } of held)
      for (const [index, total] of totalsOf(meter, withRemainingEvents(cells, lasts(query)), groupBy).entries())
        totals[query]?.splice(at + index, 1, total);
    held = [];
    heldCells = 0;
  }

  for await (const { query, meter: key, cells } of readCells(tx, queries, signal)) {
    const [request, found] = [requests[query], totals[query]];
    const meter = request?.meters.get(key);
    if (request === undefined || found === undefined) continue;
    if (meter !== undefined && found.length <= MAX_TOTALS) {
      const { groupBy } = request;
      if (cells.some((cell) => cell.hasVoids)) held.push({ query, meter, cells, at: found.length, groupBy });
      for (const total of totalsOf(meter, cells, groupBy)) found.push(total);
    }
    if (held.length > 0) heldCells += cells.length;
    if (heldCells >= MAX_HELD_CELLS) await correctHeld();
    if (totals.every(({ length }) => length > MAX_TOTALS)) break;
  }
  await correctHeld();
  return totals;
}

/** Cells of one meter and bucket with voids, whose totals may name a voided event as the last. */
interface HeldGroup {
  readonly query: number;
  readonly meter: MeterState;
  readonly cells: readonly BucketedCell[];
  /** Place of its first total among its query's. */
  readonly at: number;
  readonly groupBy: readonly string[];
}

type LastEventOf = (cell: BucketedCell) => number | undefined;

/** The last events that are not voided, by query, in one statement: of each query and meter from its first to its last bucket. */
async function lastEventsOf(
  tx: Transaction,
  queries: readonly UsageQuery[],
  held: readonly HeldGroup[],
): Promise<(query: number) => LastEventOf> {
  const spans: { at: number; query: UsageQuery }[] = [];
  for (const { query: at, meter, cells } of held) {
    const [query, bucket] = [queries[at], cells[0]?.bucket];
    if (query === undefined || bucket === undefined) continue;
    const to = query.bucketMs === 0 ? query.to : Math.min(query.to, bucket + query.bucketMs);
    const span = spans.at(-1);
    // Groups come by query, meter and bucket.
    if (span?.at === at && span.query.meter === meter.id) span.query = { ...span.query, to };
    else spans.push({ at, query: { ...query, from: Math.max(query.from, bucket), to, meter: meter.id } });
  }
  const known = new Map<string, number>();
  const found =
    spans.length === 0
      ? []
      : await readLastEvents(
          tx,
          spans.map(({ query }) => query),
        );
  for (const [index, lasts] of found.entries())
    for (const { meter, dimensions, value, bucket, lastEventAt } of lasts)
      known.set(JSON.stringify([spans[index]?.at, meter, JSON.parse(dimensions), value, bucket]), lastEventAt);
  return (query) =>
    ({ meter, dimensions, value, bucket }) =>
      known.get(JSON.stringify([query, meter, dimensions, value, bucket]));
}

/** Cells whose last event may be voided, with the last one that is not. */
const withRemainingEvents = (cells: readonly BucketedCell[], lastEventOf: LastEventOf): BucketedCell[] =>
  cells.map((cell) => {
    const last = lastEventOf(cell);
    // A void may have come between the two reads: then the cell's own is as of its read.
    if (last === undefined && cell.eventCount + cell.dominatedCount > 0) return cell;
    return { ...cell, lastEventAt: last ?? Number.NEGATIVE_INFINITY };
  });

function wantedMeters(
  tenancy: TenancyCopy,
  { meter: key, groupBy }: UsageTotalsArguments,
): ReadonlyMap<string, MeterState> {
  if (groupBy.length > MAX_GROUPED) throw new MetrlyError("INVALID", `groupBy: has at most ${MAX_GROUPED} dimensions`);
  const meters = [...tenancy.meters()].filter((meter) => key === null || meter.id === key);
  if (key !== null && meters.length === 0)
    throw new UnknownHere("NOT_FOUND", `There is no meter ${key}: ${oneOf([...tenancy.meters()].map(({ id }) => id))}`);
  const unknown = groupBy.find((name) => !meters.some((meter) => meter.dimensions.includes(name)));
  if (unknown !== undefined)
    throw new MetrlyError(
      "INVALID",
      `groupBy: no requested meter has the dimension ${unknown}: ${oneOf(meters.flatMap(({ dimensions }) => dimensions))}`,
    );
  return new Map(meters.map((meter) => [meter.id, meter]));
}

const MOST_NAMED = 10;

/** What there is instead, for whoever misspelt one. */
function oneOf(all: readonly string[]): string {
  const names = [...new Set(all)].sort();
  if (names.length === 0) return "there is none";
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : "";
  return `there ${names.length === 1 ? "is" : "are"} ${names.slice(0, MOST_NAMED).join(", ")}${more}`;
}

function bucketSpan(period: Period, bucket: number, granularity: Granularity): { from: number; to: number } {
  if (granularity === "PERIOD") return { from: period.start, to: period.end };
  return { from: bucket, to: bucket + BUCKET_MS[granularity] };
}
