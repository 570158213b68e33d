import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { Clock } from "#kernel/clock.js";
import type { IdentityTokens } from "#platform/auth/identity.js";
import type { Database } from "#platform/database/database.js";
import type { EventLog } from "#platform/event-log/event-log.js";
import type { Subgraph } from "#platform/graphql/subgraph.js";
import type { JobQueues } from "#platform/job-queue/job-queue.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { Instance } from "#platform/tenancy-client/lease.js";
import type { Config } from "./config.js";
import type { ServiceName } from "./services.js";

/** The inputs of a service's composition root: every port with this process's adapter. */
export interface ServiceContext {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
  /** Free bytes of the disk that the log is on; undefined: it is not this machine's to watch. */
  readonly freeLogDisk?: (() => Promise<number>) | undefined;
  readonly log: EventLog;
  readonly jobs: JobQueues;
  /** This process's copy of tenancy; tenancy itself reads its own database instead. */
  readonly tenancy: TenancyCopy;
  /** This run of this process, as it reports to tenancy; undefined: it is the only process of its installation. */
  readonly self: Instance | undefined;
  /** Reads the ledger through ingestion's internal API. */
  readonly ledger: LedgerClient;
  readonly identityTokens: IdentityTokens;
  /** Opens this service's own database with `prisma/<service>/migrations` applied. */
  openDatabase(service: ServiceName): Promise<Database>;
  /** For a bug, or an error that must stop the process: logs it and starts an orderly shutdown with exit code 1. */
  fail(error: unknown): void;
}

export interface Readiness {
  readonly ready: boolean;
  /** The reasons, one sentence each; empty when ready. */
  readonly reasons: readonly string[];
}

/** A started service. In `all` mode several share one HTTP server; as roles each has its own. */
export interface Service {
  readonly name: ServiceName | "gateway";
  readonly subgraph?: Subgraph;
  /** Adds the service's HTTP routes (its data plane and internal API). */
  register?(app: FastifyInstance): void;
  /** Whether it is ready: its consumers make progress, not only its sockets are open. */
  readiness(): Promise<Readiness>;
  /**
   * Called when all services run and the HTTP server listens: work that needs other services' HTTP (the ledger) starts here.
   */
  begin?(): Promise<void>;
  /** Drains within 10 s: stops taking work, finishes running work, closes its resources. */
  stop(): Promise<void>;
}
