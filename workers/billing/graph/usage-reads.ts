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

/** Reads of usage for the graph: one statement per operation for any number of tenants. */
export function createUsageReads({ database, tenancy, clock, partitions }: GraphOptions) {
  const totalsIn = batched((requests: readonly TotalsRequest[]) =>
    database.transaction((tx) => readTotals(tx, requests)),
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

/** The totals of each request, in the order of the meters' keys; more than `MAX_TOTALS`: not all of them. */
async function readTotals(tx: Transaction, requests: readonly TotalsRequest[]): Promise<UsageTotal[][]> {
  const totals = requests.map((): UsageTotal[] => []);
  for await (const { query, meter: key, cells } of readCells(
    tx,
    requests.map((request) => request.query),
  )) {
    const [request, found] = [requests[query], totals[query]];
    const meter = request?.meters.get(key);
    if (request === undefined || found === undefined || meter === undefined || found.length > MAX_TOTALS) continue;
    for (const total of totalsOf(meter, await withRemainingEvents(tx, request.query, cells), request.groupBy))
      found.push(total);
    if (totals.every(({ length }) => length > MAX_TOTALS)) break;
  }
  return totals;
}

/** Cells of a meter and bucket whose last event may be voided, with the last one that is not. */
async function withRemainingEvents(
  tx: Transaction,
  query: UsageQuery,
  cells: readonly BucketedCell[],
): Promise<readonly BucketedCell[]> {
  const voided = cells.find((cell) => cell.hasVoids);
  if (voided === undefined) return cells;
  const { meter, bucket } = voided;
  const span =
    query.bucketMs === 0 ? {} : { from: Math.max(query.from, bucket), to: Math.min(query.to, bucket + query.bucketMs) };
  const lasts = (await readLastEvents(tx, [{ ...query, ...span, meter }])).flat();
  const known = new Map(
    lasts.map((last) => [JSON.stringify([JSON.parse(last.dimensions), last.value]), last.lastEventAt]),
  );
  return cells.map((cell) => {
    const last = known.get(JSON.stringify([cell.dimensions, cell.value]));
    // A void may have come between the two reads: then the cell's own is as of its read.
    if (last === undefined && cell.eventCount + cell.dominatedCount > 0) return cell;
    return { ...cell, lastEventAt: last ?? Number.NEGATIVE_INFINITY };
  });
}

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
  return `there is ${names.slice(0, MOST_NAMED).join(", ")}${more}`;
}

function bucketSpan(period: Period, bucket: number, granularity: Granularity): { from: number; to: number } {
  if (granularity === "PERIOD") return { from: period.start, to: period.end };
  return { from: bucket, to: bucket + BUCKET_MS[granularity] };
}
