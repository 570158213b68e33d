import type { FastifyInstance } from "fastify";
import { type Logger, pino } from "pino";
import { Registry } from "prom-client";
import type { Clock } from "#kernel/clock.js";
import { generateApiKey } from "#platform/auth/api-keys.js";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import { createHttpServer } from "#platform/http/server.js";
import { systemClock } from "#platform/process/clock.js";
import { parseConfig } from "#platform/process/config.js";
import type { Service, ServiceContext } from "#platform/process/service.js";
import { createTenancyState, type TenancyCopy } from "#platform/tenancy-client/copy.js";
import { type KeyedItem, receivedColumns } from "#schema/columns/received.js";
import { readUsageRecorded } from "#schema/columns/recorded.js";
import type { ApiKeyState, MeterState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { ControlRecord } from "#schema/events/usage-received.v1.js";
import { encodeItem, type ReceivedItem, receivedText } from "#schema/events/usage-received.v2.js";
import type { LedgerEntry } from "#schema/events/usage-recorded.v1.js";
import { TOPICS, USAGE_RECEIVED, USAGE_RECORDED } from "#schema/topics.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import { PATIENCE_MS } from "../../tests/servers/servers.js";
import { PATIENT_LIMITS } from "../../tests/support/patient-limits.js";
import { createDimensionLimit } from "./dimensions/dimension-limit.js";
import { startIngestion } from "./main.js";
import { eventDigest, fingerprintDigest } from "./rules/fingerprint.js";

export const identityTokens = createIdentityTokens("a secret that only the tests of ingestion know");
const logger = pino({ level: "silent" });
/** Few enough for a test to reach. */
export const MAX_DIMENSION_VALUES = 5;

/** For tests: this room's database and an event log, both on PostgreSQL databases of their own, and a hand-fed tenancy. */
export async function openWorld(options: { partitions?: number; clock?: Clock } = {}) {
  const clock = options.clock ?? systemClock;
  const created = await Promise.all([createMigratedDatabase("ingestion"), createMigratedDatabase("log")]);
  const [database, logDatabase] = await Promise.all([
    openDatabase({ url: created[0].url, profiles: PATIENT_LIMITS, onError: ignoreAfterDrop }),
    openDatabase({ url: created[1].url, profiles: PATIENT_LIMITS, onError: ignoreAfterDrop }),
  ]);
  const log = await connectPostgresLog({ database: logDatabase, onError: ignoreAfterDrop });
  await log.ensureTopics(TOPICS, options.partitions ?? 1);
  const state = createTenancyState(clock);
  const tenancy: TenancyCopy = { ...state.reads, stop: async () => state.close() };
  return {
    clock,
    dimensions: createDimensionLimit(MAX_DIMENSION_VALUES),
    /** By turns, as while processes of two versions run. */
    writesColumns: () => {
      turns += 1;
      return turns % 2 === 0;
    },
    database,
    logDatabase,
    log,
    tenancy,
    apply: state.apply,
    url: created[0].url,
    async close(): Promise<void> {
      await log.stop();
      await Promise.all([database.stop(), logDatabase.stop()]);
      await Promise.all(created.map((one) => one.drop()));
    },
  };
}

export type World = Awaited<ReturnType<typeof openWorld>>;

/** For tests: the service as a process would run it, on the world's log and a connection of its own to its database. */
export async function startService(
  world: Pick<World, "clock" | "log" | "tenancy" | "url">,
  changed: Partial<{
    log: EventLog;
    tickMs: number;
    logger: Logger;
    openDatabase: () => Promise<Database>;
    maxBacklogBytes: number;
  }> = {},
) {
  const failures: unknown[] = [];
  const context: ServiceContext = {
    config: {
      ...parseConfig({ METRLY_LOG_LEVEL: "silent", METRLY_MAX_DIMENSION_VALUES: String(MAX_DIMENSION_VALUES) }),
      tickIntervalMs: changed.tickMs ?? 60_000,
      ...(changed.maxBacklogBytes !== undefined && { maxBacklogBytes: changed.maxBacklogBytes }),
    },
    clock: world.clock,
    logger: changed.logger ?? logger,
    metrics: new Registry(),
    log: changed.log ?? world.log,
    tenancy: world.tenancy,
    // Alone, so that it writes columns.
    self: undefined,
    identityTokens,
    openDatabase: changed.openDatabase ?? (() => openDatabase({ url: world.url, onError: ignoreAfterDrop })),
    fail: (error) => failures.push(error),
    jobs: { queue: unused, work: unused, stop: unused },
    ledger: { read: unused },
  };
  const service: Service = await startIngestion(context, { timeoutMs: PATIENCE_MS });
  const app: FastifyInstance = createHttpServer(logger);
  service.register?.(app);
  await app.ready();
  return {
    app,
    service,
    failures,
    async stop(): Promise<void> {
      await app.close();
      await service.stop();
    },
  };
}

const unused = (): never => {
  throw new Error("ingestion does not use this");
};

/** Connections that a dropped test database cuts. */
function ignoreAfterDrop(_: unknown): void {}

let version = 1;

export function tenantState(id: string, changed: Partial<TenantState> = {}): TenantState {
  version += 1;
  return {
    kind: "tenant",
    id,
    version,
    name: id,
    status: "ACTIVE",
    createdAt: 0,
    createdInVersion: version,
    billingAnchorDay: 1,
    startsAt: 0,
    currency: null,
    testClock: null,
    graceDays: [{ days: 3, inVersion: version }],
    assignments: [],
    closedInVersion: null,
    ...changed,
  };
}

export function meterState(id: string, eventType: string, changed: Partial<MeterState> = {}): MeterState {
  version += 1;
  return {
    kind: "meter",
    id,
    version,
    name: id,
    eventType,
    aggregation: "COUNT",
    valueProperty: null,
    dimensions: [],
    unit: null,
    createdInVersion: version,
    archivedInVersion: null,
    ...changed,
  };
}

/** A key's state and the secret that opens it; `tenantId` null: a platform key. */
export function apiKeyState(tenantId: string | null, scopes: ApiKeyState["scopes"] = ["INGEST"]) {
  version += 1;
  const { secret, hash, prefix } = generateApiKey(false);
  const state: ApiKeyState = {
    kind: "apiKey",
    id: `key_${version}`,
    version,
    tenantId,
    name: "test",
    prefix,
    hash,
    scopes,
    test: false,
    createdAt: 0,
    expiresAt: null,
    revokedAt: null,
  };
  return { state, secret };
}

export async function rowsOf(database: Database, sql: string): Promise<Record<string, unknown>[]> {
  return (await database.pool.query<Record<string, unknown>>(sql)).rows;
}

/** An item as the edge would have accepted it at `receivedAt`. */
export function receivedItem(changed: Partial<ReceivedItem> & { readonly id: string }): ReceivedItem {
  const { tenantId = "acme", source = "test", type = "api.request", data = "{}", id } = changed;
  const receivedAt = changed.receivedAt ?? Date.now();
  return { tenantId, source, id, type, time: changed.time ?? receivedAt, receivedAt, data };
}

/** Appends one record of items, as edges do: by turns as text and in columns. */
export async function appendItems(log: EventLog, partition: number, items: readonly ReceivedItem[]): Promise<void> {
  const value =
    turns % 2 === 0 ? receivedColumns(items.map(keyed), 0) : Buffer.from(receivedText(items.map(encodeItem), 0));
  turns += 1;
  await log.append(USAGE_RECEIVED, partition, [{ value }]);
}

let turns = 0;

/** With its key and fingerprint, as the edge computes them. */
export const keyed = (item: ReceivedItem): KeyedItem => ({
  ...item,
  key: eventDigest(item.tenantId, item.source, item.id),
  fingerprint: fingerprintDigest(item.tenantId, item.type, item.data),
});

export async function appendRecord(log: EventLog, partition: number, record: ControlRecord): Promise<void> {
  await log.append(USAGE_RECEIVED, partition, [{ value: Buffer.from(JSON.stringify(record)) }]);
}

/** Everything that usage.recorded holds of a partition, in order, repeats included. */
export async function publishedEntries(log: EventLog, partition: number): Promise<LedgerEntry[]> {
  const { first, next } = await log.bounds(USAGE_RECORDED, partition);
  const entries: LedgerEntry[] = [];
  for (let from = first; from < next; ) {
    const records = await log.read(USAGE_RECORDED, partition, from, 500);
    for (const { value, offset } of records) {
      entries.push(...readUsageRecorded(value).entries);
      from = offset + 1;
    }
  }
  return entries;
}
