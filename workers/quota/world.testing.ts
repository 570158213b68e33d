import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { Registry } from "prom-client";
import type { Clock } from "#kernel/clock.js";
import { partitionOf } from "#kernel/partition.js";
import { generateApiKey } from "#platform/auth/api-keys.js";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import { createHttpServer } from "#platform/http/server.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { systemClock } from "#platform/process/clock.js";
import { parseConfig } from "#platform/process/config.js";
import type { Service, ServiceContext } from "#platform/process/service.js";
import { createTenancyState, type TenancyCopy } from "#platform/tenancy-client/copy.js";
import type {
  ApiKeyState,
  MeterState,
  PriceState,
  QuotaLimitState,
  TenantState,
} from "#schema/events/tenancy-changed.v1.js";
import { type LedgerEntry, toStored } from "#schema/events/usage-recorded.v1.js";
import { QUOTA_ALERTS, TOPICS, USAGE_RECORDED } from "#schema/topics.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import { PATIENCE_MS } from "../../tests/servers/servers.js";
import { PATIENT_LIMITS } from "../../tests/support/patient-limits.js";
import { startQuota } from "./main.js";
import type { QuotaAlert } from "./rules/thresholds.js";

const PARTITIONS = 2;
const logger = pino({ level: "silent" });

/** Connections that a dropped test database cuts. */
function ignoreAfterDrop(_: unknown): void {}

export interface WorldOptions {
  readonly clock?: Clock;
  readonly redisUrl?: string;
  /** Keys that a tenant may have alive. */
  readonly maxKeys?: number;
  /** Combinations of one limit that a tenant may have. */
  readonly maxCombinations?: number;
  /** Instead of one that has what is published here. */
  readonly ledger?: LedgerClient;
}

/** For tests: quota's database and an event log on PostgreSQL databases of their own, and a hand-fed tenancy. */
export async function openWorld(options: WorldOptions = {}) {
  const { clock = systemClock, redisUrl, maxKeys = 100_000, maxCombinations = 100_000 } = options;
  const created = await Promise.all([createMigratedDatabase("quota"), createMigratedDatabase("log")]);
  const [database, logDatabase] = await Promise.all([
    openDatabase({ url: created[0].url, profiles: PATIENT_LIMITS, onError: ignoreAfterDrop }),
    openDatabase({ url: created[1].url, profiles: PATIENT_LIMITS, onError: ignoreAfterDrop }),
  ]);
  const log = await connectPostgresLog({ database: logDatabase, onError: ignoreAfterDrop });
  await log.ensureTopics(TOPICS, PARTITIONS);
  const state = createTenancyState(clock);
  const tenancy: TenancyCopy = { ...state.reads, stop: async () => state.close() };
  const seqs = new Map<number, number>();
  const ledger = new Map<number, LedgerEntry[]>();
  const namespace = `q${created[0].url.slice(-12)}`;
  const identityTokens = createIdentityTokens("a secret that only the tests of quota know");
  let version = 0;
  const next = () => {
    version += 1;
    return version;
  };

  const ledgerClient: LedgerClient = options.ledger ?? {
    async read({ partition, limit, tenantId, eventsFrom, ...query }) {
      const all = ledger.get(partition) ?? [];
      const isLate = (entry: LedgerEntry): boolean => entry.kind === "event" && entry.time >= (eventsFrom ?? 0);
      const first = eventsFrom === undefined ? 0 : all.findIndex(isLate);
      const from = Math.max(query.from, first === -1 ? all.length + 1 : first + 1);
      const page = all.slice(from - 1, from - 1 + limit);
      const entries = page.filter(
        (entry) => tenantId === undefined || !("tenantId" in entry) || entry.tenantId === tenantId,
      );
      return { entries, nextSeq: from + page.length, headSeq: all.length };
    },
  };

  const context = (own: Database, copy: TenancyCopy): ServiceContext => ({
    config: {
      ...parseConfig({}),
      quotaRedisUrls: redisUrl === undefined ? [] : [redisUrl],
      ...{ namespace, partitions: PARTITIONS, quotaMaxKeys: maxKeys, quotaMaxCombinations: maxCombinations },
    },
    clock,
    logger,
    metrics: new Registry(),
    log,
    tenancy: copy,
    self: { role: "quota", instance: "quota-1" },
    identityTokens,
    openDatabase: async () => own,
    fail: (error) => {
      throw error;
    },
    jobs: { queue: unused, work: unused, stop: unused },
    ledger: ledgerClient,
  });

  const world = {
    identityTokens,
    database,
    log,
    tenancy,
    ledger: ledgerClient,
    namespace,
    /** A service as a process would run it; `through` and `copy`: what it is given instead of its database and its tenancy. */
    async startService(through: (own: Database) => Database = (own) => own, copy: TenancyCopy = tenancy) {
      // Its own connections, which it loses when it is killed; the log, which is not of quota, is shared.
      const own = await openDatabase({ url: created[0].url, onError: ignoreAfterDrop });
      const service: Service = await startQuota(context(through(own), copy), PATIENCE_MS).catch(
        async (error: unknown) => {
          await own.stop();
          throw error;
        },
      );
      const app: FastifyInstance = createHttpServer(logger);
      service.register?.(app);
      await app.ready();
      await service.begin?.();
      return {
        service,
        app,
        /** SIGTERM. */
        async stop(): Promise<void> {
          await app.close();
          await service.stop();
        },
        /** SIGKILL: it can tell nobody anything any more. */
        async kill(): Promise<void> {
          await own.stop();
          await app.close();
          await service.stop().catch(() => undefined);
        },
      };
    },
    meter(id: string, changed: Partial<MeterState> = {}): void {
      const inVersion = next();
      state.apply({
        kind: "meter",
        id,
        version: inVersion,
        name: id,
        eventType: `use.${id}`,
        aggregation: "COUNT",
        valueProperty: null,
        dimensions: [],
        unit: null,
        createdInVersion: inVersion,
        archivedInVersion: null,
        ...changed,
      });
    },
    plan(
      id: string,
      limits: readonly (Partial<QuotaLimitState> & Pick<QuotaLimitState, "limit">)[],
      prices: readonly PriceState[] = [],
    ): void {
      const inVersion = next();
      state.apply({
        kind: "plan",
        id,
        version: inVersion,
        name: id,
        archived: false,
        versions: [
          {
            version: 1,
            publishedAt: 0,
            publishedInVersion: inVersion,
            currency: "EUR",
            recurringFee: "0",
            minimumCommit: "0",
            prices: [...prices],
            limits: limits.map((limit) => ({
              meter: "calls",
              window: "BILLING_PERIOD",
              kind: "HARD",
              warnAt: ["0.8"],
              ...limit,
            })),
          },
        ],
      });
    },
    tenant(id: string, planId: string | null, changed: Partial<TenantState> = {}): void {
      const inVersion = next();
      const assignment = { planVersion: 1, effectiveFrom: 0, inVersion, cancelledInVersion: null };
      state.apply({
        kind: "tenant",
        id,
        version: inVersion,
        name: id,
        status: "ACTIVE",
        createdAt: 0,
        createdInVersion: inVersion,
        billingAnchorDay: 1,
        startsAt: 0,
        currency: null,
        testClock: null,
        graceDays: [{ days: 3, inVersion }],
        assignments: planId === null ? [] : [{ ...assignment, planId }],
        closedInVersion: null,
        ...changed,
      });
    },
    /** A key and the header that carries it; `tenantId` null: a platform key. */
    key(tenantId: string | null, scopes: ApiKeyState["scopes"] = ["QUOTA"]) {
      const { secret, hash, prefix } = generateApiKey(false);
      const inVersion = next();
      state.apply({
        kind: "apiKey",
        id: `key_${inVersion}`,
        version: inVersion,
        tenantId,
        name: "test",
        prefix,
        hash,
        scopes,
        test: false,
        createdAt: 0,
        expiresAt: null,
        revokedAt: null,
      });
      return { authorization: `Bearer ${secret}` };
    },
    /** Publishes usage as ingestion would; answers the entries. */
    async record(tenantId: string, events: readonly (EventOf & { readonly id: string })[]): Promise<LedgerEntry[]> {
      const entries = events.map(({ id, type, time, data = {}, imported }): NewEntry => {
        const at = clock.now();
        return {
          kind: "event",
          tenantId,
          source: "test",
          id,
          type: type ?? "use.calls",
          time: time ?? at,
          receivedAt: at,
          data: JSON.stringify(data),
          ...(imported && { imported }),
        };
      });
      return world.publish(tenantId, entries);
    },
    async publish(
      tenantId: string,
      entries: readonly NewEntry[],
      recordedAt: number = clock.now(),
    ): Promise<LedgerEntry[]> {
      const partition = partitionOf(tenantId, PARTITIONS);
      const firstSeq = (seqs.get(partition) ?? 0) + 1;
      const stamped = entries.map(
        (entry, index): LedgerEntry => ({
          ...entry,
          seq: firstSeq + index,
          recordedAt,
          tenancyVersion: tenancy.version(),
        }),
      );
      seqs.set(partition, firstSeq + stamped.length - 1);
      ledger.set(partition, [...(ledger.get(partition) ?? []), ...stamped]);
      await world.republish(tenantId, stamped);
      return stamped;
    },
    /** Publishes entries as they are, once more for instance. */
    async republish(tenantId: string, entries: readonly LedgerEntry[]): Promise<void> {
      const partition = partitionOf(tenantId, PARTITIONS);
      const firstSeq = entries[0]?.seq;
      const lastSeq = entries.at(-1)?.seq;
      const value = Buffer.from(JSON.stringify({ partition, firstSeq, lastSeq, entries: entries.map(toStored) }));
      await log.append(USAGE_RECORDED, partition, [{ value }]);
    },
    /** Resolves when quota's database holds everything published of the tenant's partition. */
    async appliedSeq(tenantId: string): Promise<boolean> {
      const partition = partitionOf(tenantId, PARTITIONS);
      const { rows } = await database.pool.query<{ seq: number }>(
        "SELECT seq FROM high_water_mark WHERE partition = $1",
        [partition],
      );
      return rows[0]?.seq === (seqs.get(partition) ?? 0);
    },
    async alerts(tenantId: string): Promise<QuotaAlert[]> {
      const records = await log.read(QUOTA_ALERTS, partitionOf(tenantId, PARTITIONS), 0, 1_000);
      return records
        .map((record): QuotaAlert => JSON.parse(record.value.toString("utf8")))
        .filter((alert) => alert.subject === tenantId);
    },
    async close(): Promise<void> {
      await log.stop();
      await Promise.all([database.stop(), logDatabase.stop()]);
      await Promise.all(created.map((one) => one.drop()));
    },
  };
  return world;
}

interface EventOf {
  readonly type?: string;
  readonly time?: number;
  readonly data?: unknown;
  readonly imported?: true;
}
type Unstamped<T> = T extends LedgerEntry ? Omit<T, "seq" | "recordedAt" | "tenancyVersion"> : never;
export type NewEntry = Unstamped<LedgerEntry>;
export type World = Awaited<ReturnType<typeof openWorld>>;
export type StartedService = Awaited<ReturnType<World["startService"]>>;

const unused = (): never => {
  throw new Error("quota does not use this");
};
