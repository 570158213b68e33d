import { DAY_MS } from "#kernel/duration.js";
import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import { askGraph, type Connection, findConnection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { everyPage } from "../connection/pages.js";
import type { Granularity, UsageQuery } from "../graphql/graphql.js";
import { graphql } from "../graphql/index.js";
import { present, printRows, type ShowOptions, sayEmpty } from "./print.js";
import { type Column, shortDay, shortTime, sparkline } from "./table.js";

const USAGE = graphql(`
  query Usage($tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime) {
    tenant(id: $tenantId) {
      usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart) {
        meter from to quantity eventCount lastEventAt dimensions { dimension value }
      }
      days: usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart, granularity: DAY) {
        meter from quantity dimensions { dimension value }
      }
    }
  }
`);
const BUCKETS = graphql(`
  query Buckets(
    $tenantId: ID!, $groupBy: [String!], $meter: String, $periodStart: DateTime, $granularity: Granularity!
  ) {
    tenant(id: $tenantId) {
      usageTotals(groupBy: $groupBy, meter: $meter, periodStart: $periodStart, granularity: $granularity) {
        meter from to quantity eventCount lastEventAt dimensions { dimension value }
      }
    }
  }
`);
const PERIODS = graphql(`
  query Periods($tenantId: ID!, $first: Int!, $after: Cursor) {
    tenant(id: $tenantId) {
      billingPeriods(first: $first, after: $after) { nodes { start end } pageInfo { hasNextPage endCursor } }
    }
  }
`);

type Total = NonNullable<UsageQuery["tenant"]>["usageTotals"][number];
type Dimensions = Pick<Total, "dimensions">;

export interface UsageOptions extends ShowOptions {
  readonly by?: string;
  readonly meter?: string;
  readonly from?: string;
  readonly to?: string;
  readonly granularity?: string;
}

const asGranularity: Readonly<Record<string, Granularity>> = { hour: "HOUR", day: "DAY", period: "PERIOD" };

/** Of usage whose events lack the property. */
const NO_DIMENSION_VALUE = "(none)";

/** null for a meter without the dimension. */
const ofDimension =
  (name: string) =>
  ({ dimensions }: Dimensions): string | null => {
    const found = dimensions.find(({ dimension }) => dimension === name);
    return found === undefined ? null : found.value || NO_DIMENSION_VALUE;
  };

const valuesOf = ({ dimensions }: Dimensions): string => JSON.stringify(dimensions.map(({ value }) => value));

/**
 * `metrly usage`: the totals of the current period with a picture of its days; with `granularity` those of each hour or day of it;
 * with `from` or `to` those of each hour, day or period that begins in that time, past periods included.
 */
export async function showUsage(tenantId: string, options: UsageOptions, env: Env): Promise<void> {
  try {
    await show(tenantId, options, env);
  } catch (error) {
    // The graph names its own argument.
    if (error instanceof UserError) error.message = error.message.replace(/\bgroupBy: /, "--by: ");
    throw error;
  }
}

async function show(tenantId: string, options: UsageOptions, env: Env): Promise<void> {
  const connection = await findConnection(options, env);
  const groupBy = options.by?.split(",") ?? [];
  const asked = { tenantId, groupBy, meter: options.meter ?? null };
  const isOfNow = [options.from, options.to, options.granularity].every((given) => given === undefined);
  const grouped = groupBy.map((name) => ({ name: name.toUpperCase(), text: ofDimension(name) }));
  const amounts = [
    { name: "QUANTITY", text: ({ quantity }: Total) => quantity, isNumber: true },
    { name: "EVENTS", text: ({ eventCount }: Total) => String(eventCount), isNumber: true },
  ];
  const meter = { name: "METER", text: (total: Total) => total.meter };
  if (!isOfNow) {
    const buckets = await bucketsOf(connection, asked, options);
    if (buckets.length === 0) sayEmpty("No usage in this time.", options);
    const areDays = buckets.every((total) => total.from.includes(MIDNIGHT)) && options.granularity !== "hour";
    const shortFrom = (total: Total) => (areDays ? shortDay(total.from, nowMs()) : short(total.from));
    const from = { name: "FROM", heading: "FROM (UTC)", text: (total: Total) => total.from, short: shortFrom };
    return printRows(buckets, [from, meter, ...grouped, ...amounts], options);
  }
  const answer = await askGraph(connection, USAGE, { ...asked, periodStart: null });
  const { usageTotals: totals, days } = present(answer.tenant, tenantId);
  const columns: Column<Total>[] = [
    meter,
    ...grouped,
    ...amounts,
    {
      name: "LAST EVENT",
      heading: "LAST (UTC)",
      text: ({ lastEventAt }) => lastEventAt,
      short: ({ lastEventAt }) => (lastEventAt === null ? null : short(lastEventAt)),
    },
    {
      name: "BY DAY",
      text: () => "",
      picture: { width: 31, draw: (total, width) => sparkline(perDay(total, days), width) },
    },
  ];
  await printRows(totals, columns, options);
  if (totals.length === 0)
    sayEmpty("No usage in the current billing period. Earlier ones: add --from 2026-01-01", options);
}

const MIDNIGHT = "T00:00:00";

const short = (instant: string): string => shortTime(instant, nowMs());

function perDay(total: Total, days: readonly (Pick<Total, "meter" | "from" | "quantity"> & Dimensions)[]): number[] {
  const [start, end] = [Date.parse(total.from), Math.min(Date.parse(total.to), nowMs())];
  const values = Array.from({ length: Math.max(1, Math.ceil((end - start) / DAY_MS)) }, () => 0);
  for (const day of days) {
    const at = Math.floor((Date.parse(day.from) - start) / DAY_MS);
    if (day.meter === total.meter && valuesOf(day) === valuesOf(total) && at in values)
      values[at] = Number(day.quantity);
  }
  return values;
}

interface Asked {
  readonly tenantId: string;
  readonly groupBy: string[];
  readonly meter: string | null;
}

async function bucketsOf(connection: Connection, asked: Asked, options: UsageOptions): Promise<Total[]> {
  const granularity = asGranularity[options.granularity ?? "day"] ?? "DAY";
  const ofPeriod = async (periodStart: string | null): Promise<Total[]> => {
    const { tenant } = await askGraph(connection, BUCKETS, { ...asked, periodStart, granularity });
    return [...present(tenant, asked.tenantId).usageTotals].sort((a, b) => Date.parse(a.from) - Date.parse(b.from));
  };
  if (options.from === undefined && options.to === undefined) return ofPeriod(null);
  const [from, to] = [instantOf("--from", options.from, 0), instantOf("--to", options.to, Number.POSITIVE_INFINITY)];
  if (from >= to) throw new UserError(`--to is not after --from: ${options.from} to ${options.to}.`);
  const periods = await everyPage(async (page) => {
    const { tenant } = await askGraph(connection, PERIODS, { tenantId: asked.tenantId, ...page });
    return present(tenant, asked.tenantId).billingPeriods;
  }, PERIODS_PER_PAGE);
  const asking = periods.filter(({ start, end }) => Date.parse(end) > from && Date.parse(start) < to);
  if (asking.length > MOST_PERIODS)
    throw new UserError(
      `That time has ${asking.length} billing periods; the most are ${MOST_PERIODS}. Narrow it with --from and --to.`,
    );
  const buckets: Total[] = [];
  for (const { start } of asking.reverse()) {
    const found = await ofPeriod(start);
    buckets.push(...found.filter((bucket) => Date.parse(bucket.from) >= from && Date.parse(bucket.from) < to));
  }
  return buckets;
}

const PERIODS_PER_PAGE = 200;
/** Each is a request. */
const MOST_PERIODS = 36;

/** A day of UTC or an RFC 3339 instant, as ms. */
function instantOf(option: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const instant = Date.parse(text);
  if (/^\d{4}-\d\d-\d\d(T.*)?$/.test(text) && !Number.isNaN(instant)) return instant;
  throw new UserError(`${option} takes a day or an instant, 2026-11-28 or 2026-11-28T10:00:00Z, not "${text}".`);
}
