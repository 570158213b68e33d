import { type Logger, pino } from "pino";
import { Registry } from "prom-client";
import type { LedgerClient } from "#platform/ledger/client.js";
import { startLedgerConsumer } from "#platform/ledger/consumer.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState, type TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { MeterState, TenancyChangedV1, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { createAggregator } from "../../workers/billing/usage-recorded.js";
import { createAppender } from "../../workers/ingestion/intake/appender.js";
import { createMetrics } from "../../workers/ingestion/metrics.js";
import { createDimensionLimit } from "../../workers/ingestion/recorder/dimension-limit.js";
import { type Publisher, startPublisher } from "../../workers/ingestion/recorder/publisher.js";
import { type Recorder, startRecorder } from "../../workers/ingestion/recorder/recorder.js";
import { startTicks, type Ticks } from "../../workers/ingestion/recorder/ticks.js";
import { startTrimming } from "../../workers/ingestion/recorder/trim.js";
import { ensureLedgerMonths, readLedger } from "../../workers/ingestion/store/ledger.js";
import type { SimulatedDatabase } from "./database.js";
import type { Instance } from "./instance.js";
import type { SimulatedLog } from "./log.js";
import type { Receive } from "./workload.js";

/** The code of one process: composed as its `main.ts` does, without HTTP. */
export interface RoleContext {
  readonly instance: Instance;
  readonly log: ReturnType<SimulatedLog["of"]>;
  readonly partitionCount: number;
  openDatabase(name: "ingestion" | "billing"): SimulatedDatabase;
  /** What the process would end with an error for. */
  fail(error: unknown): void;
  /** What the process would log. */
  report(error: unknown): void;
}

const logger: Logger = pino({ level: "silent" });
const MAX_DIMENSION_VALUES = 100;
const TICK_MS = 5_000;

/** Edge, recorder, publisher, ticks and trimming; the answer takes clients' events. */
export async function startIngestionRole(context: RoleContext): Promise<Receive> {
  const { log, partitionCount, report } = context;
  const database = context.openDatabase("ingestion");
  await ensureLedgerMonths(database, systemClock.now());
  const tenancy = tenancyCopy();
  const metrics = createMetrics(new Registry());
  const appender = createAppender({ log, partitionCount, tenancyVersion: tenancy.version, onError: report });
  const parts: { recorder?: Recorder; ticks?: Ticks } = {};
  const assigned = () => parts.recorder?.assigned() ?? [];
  const publisher: Publisher = startPublisher({
    database,
    log,
    clock: systemClock,
    metrics,
    assigned,
    onError: report,
  });
  const recorder = await startRecorder({
    database,
    tenancy,
    dimensions: createDimensionLimit(MAX_DIMENSION_VALUES),
    clock: systemClock,
    log,
    partitionCount,
    metrics,
    logger,
    onRecorded: publisher.offer,
    onTick: (agreed) => parts.ticks?.seen(agreed),
    onHole: context.fail,
  });
  parts.recorder = recorder;
  parts.ticks = startTicks({ log, database, clock: systemClock, logger, intervalMs: TICK_MS, assigned });
  startTrimming(log, recorder, report);
  return (events) => {
    const receivedAt = systemClock.now();
    const items = events.map(({ tenantId, source, id, type, time, amount }) => {
      return { tenantId, source, id, type, time, receivedAt, data: JSON.stringify({ amount }) };
    });
    return appender.append(items, items[0]?.tenantId ?? "", 1);
  };
}

/** The consumer that aggregates, with the ledger API of an ingestion process behind it. */
export async function startBillingRole(context: RoleContext): Promise<undefined> {
  const { log, partitionCount, instance, report } = context;
  const database = context.openDatabase("billing");
  const ledgerDatabase = context.openDatabase("ingestion");
  const ledger: LedgerClient = {
    read: (query) => readLedger(ledgerDatabase, query),
  };
  const tenancy = tenancyCopy();
  const aggregator = createAggregator({
    tenancy,
    ledger,
    queue: {
      add: (id) => instance.call(`queue ${id}`, async () => undefined),
      remove: (id) => instance.call(`unqueue ${id}`, async () => undefined),
    },
    clock: systemClock,
    partitions: partitionCount,
  });
  await startLedgerConsumer({
    log,
    group: "billing-aggregate",
    database,
    ledger,
    tenancy,
    prepare: (partition, entries) => aggregator.prepare(database.pool, partition, entries),
    apply: aggregator.apply,
    onError: report,
    // A restart reads what the log deleted from the ledger.
    onHole: context.fail,
    onMalformed: context.fail,
  });
}

export const TENANTS = ["acme", "bolt", "cargo"] as const;
const VERSION = 1;
const STARTS_AT = Date.UTC(2026, 0, 1);

const meter = (id: string, eventType: string, valueProperty: string | null): MeterState => ({
  kind: "meter",
  id,
  version: VERSION,
  name: id,
  eventType,
  aggregation: valueProperty === null ? "COUNT" : "SUM",
  valueProperty,
  dimensions: [],
  unit: null,
  createdInVersion: VERSION,
  archivedInVersion: null,
});

const tenant = (id: string): TenantState => ({
  kind: "tenant",
  id,
  version: VERSION,
  name: id,
  status: "ACTIVE",
  createdAt: STARTS_AT,
  createdInVersion: VERSION,
  billingAnchorDay: 1,
  // Shortly before the run: a jumped clock ends few periods.
  startsAt: STARTS_AT,
  currency: null,
  testClock: null,
  graceDays: [{ days: 3, inVersion: VERSION }],
  assignments: [],
  closedInVersion: null,
});

const STATES: readonly TenancyChangedV1[] = [
  ...TENANTS.map(tenant),
  meter("calls", "api.request", null),
  meter("bytes", "api.transfer", "amount"),
];

/** The same in every process. */
function tenancyCopy(): TenancyCopy {
  const state = createTenancyState(systemClock);
  for (const one of STATES) state.apply(one);
  return { ...state.reads, stop: async () => state.close() };
}
