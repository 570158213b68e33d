import { once } from "node:events";
import { createServer } from "node:net";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { collectDefaultMetrics } from "prom-client";
import { messageOf } from "#kernel/errors.js";
import { createKeyJudge } from "#platform/auth/api-keys.js";
import { createKeyThrottle } from "#platform/auth/key-throttle.js";
import { createHttpServer, portOf } from "#platform/http/server.js";
import { registerQueueBoard } from "#platform/job-queue/queue-board.js";
import { type OnStop, openTogether } from "#platform/lifecycle/closers.js";
import type { Config } from "#platform/process/config.js";
import { logRetried } from "#platform/process/logger.js";
import { openPorts, type Ports } from "#platform/process/ports.js";
import { type Service, type ServiceContext } from "#platform/process/service.js";
import { SERVICES, type ServiceName } from "#platform/process/services.js";
import { untilReachable } from "#platform/process/wait-until-reachable.js";
import { heldCopy } from "#platform/tenancy-client/held-copy.js";
import { startKeyUseReports } from "#platform/tenancy-client/key-usage.js";
import { createTenancyLease, type TenancyLease } from "#platform/tenancy-client/lease.js";
import { QUEUES } from "#schema/queues.js";
import { asTyped, dataDirSetting, startAsTyped } from "../as-typed.js";
import { isMetrlyOf, readAddress, readAdminToken } from "../connection/address.js";
import { NoResponse, UserError } from "../connection/failure.js";
import { CHALLENGE_HEADER, MAX_CHALLENGE_LENGTH, PROOF_HEADER, proofOf } from "../connection/proof.js";
import { loadGatewayRole, ROLES } from "../roles.js";
import { openGraph } from "./graph.js";
import type { ProcessRole } from "./role-config.js";

export interface RunningSystem {
  /** The URL of the port. */
  readonly url: string;
  readonly logger: Logger;
  readonly services: readonly Service[];
  /** The URL of the metrics' port. */
  readonly metricsUrl: string;
  /** Registers what must stop before the system: a client of it (the demo's traffic), or what tells of it. */
  beforeStop(name: string, stop: () => Promise<void>): void;
  /** Drains every service, then closes the ports, the database last. Idempotent. */
  stop(): Promise<void>;
  closing(): readonly string[];
}

export interface SystemOptions {
  readonly config: Config;
  readonly composition: ProcessRole;
  readonly logger: Logger;
  fail(error: unknown): void;
}

/** Starts the composition in this process and listens, on ports that were looked at before. Stops everything when a part fails to start. */
export async function startSystem(options: SystemOptions): Promise<RunningSystem> {
  return openTogether(
    (onStop) => start(options, onStop),
    (error) => options.logger.error({ err: error }, "closing after a failed start"),
  );
}

async function start(options: SystemOptions, onStop: OnStop): Promise<Omit<RunningSystem, "stop">> {
  const { config, logger, composition } = options;
  const names = servicesOf(composition);
  const closing = new Set<string>();
  const named = (name: string, close: () => Promise<unknown>) => async () => {
    closing.add(name);
    await close().finally(() => closing.delete(name));
  };
  let url = "";
  const ports: Ports = await openPorts({
    ...options,
    processName: composition,
    databases: composition === "all" ? "shared" : "own",
    onWaiting: () => loadAhead(composition, names),
    jobs: names.some((name) => RUNS_JOBS.has(name)),
    ledgerUrl: () => (composition === "all" ? url : (config.serviceUrls.ingestion ?? url)),
  });
  onStop(named("ports", () => ports.stop()));
  const { context } = ports;
  collectDefaultMetrics({ register: context.metrics });
  const keyUses = startKeyUseReports(context.tenancy, context.log);
  onStop(named("key uses", () => keyUses.stop()));

  const services: Service[] = [];
  onStop(named("services", () => Promise.all(services.map((service) => named(service.name, () => service.stop())()))));
  const lease = leaseOf(composition, context);
  await startServices(context, lease, names, services);

  onStop(named("lease", async () => lease?.stop()));
  const throttle = createKeyThrottle({
    judgeKey: createKeyJudge(context.tenancy, context.clock),
    trustedProxies: config.trustedProxies,
  });
  const app = createHttpServer(logger.child({ service: "http" }), throttle, undefined, lease);
  onStop(named("http", () => app.close()));
  for (const service of services) service.register?.(app);
  if (ports.jobs !== undefined && names.includes("notification"))
    registerQueueBoard(app, { queues: ports.jobs.bullQueues(QUEUES), identityTokens: context.identityTokens });
  // Open sockets would keep the server from closing: their owners close them first.
  const graph = await openGraph({ ...context, throttle, lease }, composition, app, services);
  onStop(named("graph", () => graph.stop()));
  const waits = () => [...ports.waitingForUpgrade(), ...(lease === undefined || lease.isHeld() ? [] : [NOT_CAUGHT_UP])];
  registerHealth(app, config.dataDir, [...services, ...graph.services], waits);
  if (lease !== undefined) await untilReachable("the log", logger, lease.begin);
  await app.listen({ host: config.host, port: config.port });
  url = addressOf(app, config.host);

  const metricsServer = createMetricsServer(context.metrics, logger);
  await metricsServer.listen({ host: config.host, port: config.metricsPort });
  onStop(named("metrics", () => metricsServer.close()));

  for (const service of services) await service.begin?.();
  return {
    ...{ url, logger, services, metricsUrl: addressOf(metricsServer, config.host) },
    beforeStop: (name, close) => onStop(named(name, close)),
    closing: () => [...closing],
  };
}

const NOT_CAUGHT_UP = "the process has yet to catch up with the changes of tenancy";

/** Undefined for a process that is alone, and for tenancy's own processes, which read its database. */
function leaseOf(composition: ProcessRole, { tenancy, log, self, logger }: ServiceContext): TenancyLease | undefined {
  const onError = (error: unknown) => logRetried(logger, error, "reporting to tenancy failed and will be retried");
  if (self === undefined || composition === "tenancy") return undefined;
  return createTenancyLease({ tenancy, log, self, onError });
}

const RUNS_JOBS: ReadonlySet<ServiceName> = new Set(["billing", "notification"]);

/** Loads what starts later anyway; that is where a failure is reported. */
function loadAhead(composition: ProcessRole, names: readonly ServiceName[]): void {
  const isFrontDoor = composition === "all" || composition === "gateway";
  const loading = [...names.map((name) => ROLES[name]()), ...(isFrontDoor ? [loadGatewayRole()] : [])];
  for (const each of loading) each.catch(() => undefined);
}

function servicesOf(composition: ProcessRole): readonly ServiceName[] {
  if (composition === "all") return SERVICES;
  return composition === "gateway" ? [] : [composition];
}

/** Starts all services concurrently. When one fails, `services` holds the started ones to stop. */
async function startServices(
  context: ServiceContext,
  lease: TenancyLease | undefined,
  names: readonly ServiceName[],
  services: Service[],
): Promise<void> {
  const held = lease === undefined ? context.tenancy : heldCopy(context.tenancy, lease);
  const outcomes = await Promise.allSettled(
    names.map(async (name) => {
      const startService = await ROLES[name]();
      const tenancy = name === "tenancy" ? context.tenancy : held;
      services.push(await startService({ ...context, tenancy, logger: context.logger.child({ service: name }) }));
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function registerHealth(
  app: FastifyInstance,
  dataDir: string,
  services: readonly Answering[],
  waits: () => readonly string[],
): void {
  app.get("/healthz", async (request, reply) => {
    const challenge = request.headers[CHALLENGE_HEADER];
    if (typeof challenge === "string" && challenge.length <= MAX_CHALLENGE_LENGTH) {
      const token = await readAdminToken(dataDir);
      if (token !== undefined) reply.header(PROOF_HEADER, proofOf(token, challenge, portOf(app.server)));
    }
    return { status: "ok" };
  });
  app.get("/readyz", async (_request, reply) => {
    const reasons = [...waits(), ...(await Promise.all(services.map(reasonsOf))).flat()];
    const ready = reasons.length === 0;
    return reply.code(ready ? 200 : 503).send({ status: ready ? "ready" : "not ready", reasons });
  });
}

type Answering = Pick<Service, "name" | "readiness">;

/** A service whose readiness check throws is not ready. */
async function reasonsOf(service: Answering): Promise<string[]> {
  try {
    return (await service.readiness()).reasons.map((reason) => `${service.name}: ${reason}`);
  } catch (error) {
    return [`${service.name}: ${messageOf(error)}`];
  }
}

function createMetricsServer(metrics: Ports["context"]["metrics"], logger: Logger): FastifyInstance {
  const app = createHttpServer(logger.child({ service: "metrics" }));
  app.get("/metrics", async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
  return app;
}

/** The local URL of a server that listens on `host`. */
function addressOf(app: FastifyInstance, host: string): string {
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${portOf(app.server)}`;
}

type Starting = Pick<SystemOptions, "config" | "composition">;

/**
 * Throws `UserError` where a port is taken, or Metrly runs on this data directory already. Asked before anything starts: it leaves nothing
 * behind.
 */
export async function assertPortsFree(starting: Starting): Promise<void> {
  if (starting.composition === "all") await assertNotRunning(starting.config.dataDir);
  await assertPortFree(starting, starting.config.port, "METRLY_PORT");
  await assertPortFree(starting, starting.config.metricsPort, "METRLY_METRICS_PORT");
}

async function assertPortFree(starting: Starting, port: number, variable: string): Promise<void> {
  if (port === 0) return;
  const { host } = starting.config;
  const probe = createServer();
  try {
    await once(probe.listen({ host, port }), "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EADDRINUSE") throw new UserError(portTaken(starting, port, variable));
    throw new UserError(`Metrly cannot listen on ${host}:${port} (${code}): set METRLY_HOST and ${variable}.`);
  } finally {
    await new Promise((resolve) => probe.close(resolve));
  }
}

/** Whatever port this one would have: the data directory has one Metrly. */
async function assertNotRunning(dataDir: string): Promise<void> {
  const url = await readAddress(dataDir);
  if (url === undefined || !(await isMetrlyOf(dataDir, url).catch(noneInTime))) return;
  throw new UserError(
    `Metrly runs here already: ${url}\nCtrl-C in its terminal stops it. Commands that use it: ${asTyped("--help")}\nA second one needs its own METRLY_DATA_DIR, METRLY_PORT, METRLY_METRICS_PORT.`,
  );
}

/** Whether its port is free is checked too. */
function noneInTime(error: unknown): undefined {
  if (!(error instanceof NoResponse)) throw error;
}

/** Both ports: whoever has one often has the other. */
function portTaken({ config, composition }: Starting, port: number, variable: string): string {
  const taken = `Port ${port} on ${config.host} is in use by another program: stop that one or set ${variable}`;
  if (composition !== "all") return `${taken}.`;
  const [free, metrics] = [config.port + 100, config.metricsPort + 100].map((other) => Math.min(other, 65_535));
  return `${taken}, for example:\n  METRLY_PORT=${free} METRLY_METRICS_PORT=${metrics} ${dataDirSetting()}${startAsTyped()}`;
}
