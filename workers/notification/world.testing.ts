import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type DocumentNode, execute, type GraphQLSchema, parse, subscribe } from "graphql";
import { pino } from "pino";
import { Registry } from "prom-client";
import { partitionOf } from "#kernel/partition.js";
import { createIdentityTokens } from "#platform/auth/identity.js";
import { type Database, openDatabase } from "#platform/database/database.js";
import { connectPostgresLog } from "#platform/event-log/postgres/log.js";
import { withUpgradeStops } from "#platform/event-log/upgrade-stops.js";
import { connectJobQueues, type JobBackend } from "#platform/job-queue/bullmq/queues.js";
import { systemClock } from "#platform/process/clock.js";
import { parseConfig } from "#platform/process/config.js";
import type { Service, ServiceContext } from "#platform/process/service.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { invoiceGeneratedV1 } from "#schema/events/invoice-generated.v1.js";
import { quotaExceededV1 } from "#schema/events/quota-exceeded.v1.js";
import { quotaWarningV1 } from "#schema/events/quota-warning.v1.js";
import type { Identity } from "#schema/policy.js";
import { AUDIT_RECORDED, BILLING_EVENTS, QUOTA_ALERTS, type Topic } from "#schema/topics.js";
import { createMigratedDatabase } from "../../tests/servers/migrated.js";
import { createTestDatabase } from "../../tests/servers/servers.js";
import { PATIENT_LIMITS } from "../../tests/support/patient-limits.js";
import type { NotificationTuning } from "./core.js";
import { startNotification } from "./main.js";

const PARTITIONS = 2;

export const admin: Identity = { kind: "USER", id: "root", tenantId: null, roles: ["PLATFORM_ADMIN"], scopes: [] };
export const adminOf = (tenantId: string): Identity => ({
  kind: "API_KEY",
  id: `key-of-${tenantId}`,
  tenantId,
  roles: ["TENANT_ADMIN"],
  scopes: ["ADMIN"],
});
export const viewerOf = (tenantId: string): Identity => ({ ...adminOf(tenantId), roles: ["TENANT_VIEWER"] });

/** An empty database of this room; several handles on it are several processes. */
export async function openServiceDatabase(_name: string) {
  const test = await createMigratedDatabase("notification");
  const opened: Database[] = [];
  return {
    async connect(maxConnections = 8): Promise<Database> {
      const database = await openDatabase({
        url: test.url,
        profiles: PATIENT_LIMITS,
        maxConnections,
        onError: () => undefined,
      });
      opened.push(database);
      return database;
    },
    async drop(): Promise<void> {
      await Promise.all(opened.map((database) => database.stop()));
      await test.drop();
    },
  };
}

export type World = Awaited<ReturnType<typeof openWorld>>;

/** Everything around the service: a log, queues, a copy of tenancy with tenants "acme" and "globex". */
export async function openWorld(name: string, env: Readonly<Record<string, string>> = {}, jobsOn?: JobBackend) {
  const serviceDatabase = await createMigratedDatabase("notification");
  const logTest = await createMigratedDatabase("log");
  const jobsTest = await createTestDatabase(`notification_${name}_jobs`);
  const logDatabase = await openDatabase({
    url: logTest.url,
    profiles: PATIENT_LIMITS,
    onError: () => undefined,
  });
  const log = withUpgradeStops(
    await connectPostgresLog({ database: logDatabase, onError: () => undefined }),
    new Registry(),
  );
  await log.ensureTopics([QUOTA_ALERTS, BILLING_EVENTS, AUDIT_RECORDED], PARTITIONS);
  const jobsPrefix = jobsTest.url.slice(-12);
  const jobs = await connectJobQueues({
    backend: jobsOn ?? { kind: "postgres", url: jobsTest.url },
    prefix: jobsPrefix,
    onError: () => undefined,
  });
  const tenancy = createTenancyState(systemClock);
  for (const id of ["acme", "globex"]) tenancy.apply(tenantState(id));
  const services = new Set<Service>();
  const logged: string[] = [];

  const context = (): ServiceContext => ({
    config: parseConfig({ METRLY_PORT: "4000", ...env }),
    clock: systemClock,
    logger: pino({ level: "trace" }, { write: (line: string) => void logged.push(line) }),
    metrics: new Registry(),
    log,
    jobs,
    tenancy: { ...tenancy.reads, caughtUp: () => tenancy.reads.caughtUp(), stop: async () => undefined },
    ledger: {
      read: async () => {
        throw new Error("notification does not read the ledger");
      },
    },
    self: { role: "notification", instance: "notification-1" },
    identityTokens: createIdentityTokens("0".repeat(32)),
    openDatabase: () => openDatabase({ url: serviceDatabase.url, onError: () => undefined }),
    fail: (error) => {
      throw error;
    },
  });

  return {
    log,
    logDatabase,
    jobs,
    jobsPrefix,
    databaseUrl: serviceDatabase.url,
    tenancy,
    /** The lines that the services logged. */
    logged,
    async start(tuning: NotificationTuning = {}): Promise<Service> {
      const service = await startNotification(context(), {
        random: () => 0,
        firstPauseMs: 0,
        sweepEveryMs: 200,
        ...tuning,
      });
      services.add(service);
      return service;
    },
    async stopService(service: Service): Promise<void> {
      services.delete(service);
      await service.stop();
    },
    /** A look into the service's database. */
    openDatabase: () => openDatabase({ url: serviceDatabase.url, profiles: PATIENT_LIMITS, onError: () => undefined }),
    publish: (topic: Topic, event: { subject: string }) =>
      log.append(topic, partitionOf(event.subject, PARTITIONS), [{ value: Buffer.from(JSON.stringify(event)) }]),
    async close(): Promise<void> {
      await Promise.all([...services].map((service) => service.stop()));
      await jobs.stop();
      await log.stop();
      await logDatabase.stop();
      await Promise.all([serviceDatabase.drop(), logTest.drop(), jobsTest.drop()]);
    },
  };
}

export function tenantState(id: string) {
  return {
    kind: "tenant" as const,
    id,
    version: 1,
    name: id,
    status: "ACTIVE" as const,
    createdAt: 0,
    createdInVersion: 1,
    billingAnchorDay: 1,
    startsAt: 0,
    currency: null,
    testClock: null,
    graceDays: [{ days: 3, inVersion: 1 }],
    assignments: [],
    closedInVersion: null,
  };
}

export function warning(tenantId: string, id: string) {
  const { example } = quotaWarningV1;
  return { ...example, id, subject: tenantId, data: { ...example.data, tenantId } };
}
export function exceeded(tenantId: string, id: string) {
  const { example } = quotaExceededV1;
  return { ...example, id, subject: tenantId, data: { ...example.data, tenantId } };
}
export function invoice(tenantId: string, invoiceId: string) {
  const { example } = invoiceGeneratedV1;
  return {
    ...example,
    id: `invoice-generated:${invoiceId}`,
    subject: tenantId,
    data: { ...example.data, tenantId, invoiceId },
  };
}

export interface ReceivedWebhook {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A real receiver on loopback; `answer` decides what it says to the nth request (from 1). */
export async function startReceiver(answer: (response: ServerResponse, nth: number) => void) {
  const received: ReceivedWebhook[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks).toString() });
      answer(response, received.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    port,
    received,
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const ok = (response: ServerResponse): void => void response.end("thanks");

export interface GraphAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers as a client would
  readonly data: any;
  readonly codes: readonly unknown[];
  readonly messages: readonly string[];
}

/** Runs an operation on the subgraph as its gateway would. */
export async function ask(service: Service, identity: Identity, source: string, variables = {}): Promise<GraphAnswer> {
  const result = await execute({
    schema: schemaOf(service),
    document: parse(source),
    variableValues: variables,
    contextValue: { identity },
  });
  const errors = result.errors ?? [];
  return {
    data: result.data,
    codes: errors.map(({ originalError, extensions }) =>
      originalError && "code" in originalError ? originalError.code : extensions.code,
    ),
    messages: errors.map(({ message }) => message),
  };
}

/** Subscribes by graphql-js; throws the first error's code when that is refused. */
export async function live(service: Service, identity: Identity, source: string, variables = {}) {
  const document: DocumentNode = parse(source);
  const result = await subscribe({
    schema: schemaOf(service),
    document,
    variableValues: variables,
    contextValue: { identity },
  });
  if (Symbol.asyncIterator in result) {
    return {
      async next(): Promise<GraphAnswer["data"]> {
        const { done, value } = await result.next();
        if (done || value === undefined) throw new Error("the subscription ended");
        return value.data;
      },
      stop: () => result.return(undefined),
    };
  }
  const original = result.errors?.[0]?.originalError;
  throw new Error(original && "code" in original ? String(original.code) : result.errors?.[0]?.message);
}

function schemaOf(service: Service): GraphQLSchema {
  if (service.subgraph === undefined) throw new Error("the service has no subgraph");
  return service.subgraph.schema;
}
