import { forRequests } from "#platform/database/database.js";
import { consumerReasons } from "#platform/event-log/readiness.js";
import { isStuck } from "#platform/outbox/outbox.js";
import { migrationsDirOf } from "#platform/process/package-root.js";
import type { Readiness, Service, ServiceContext } from "#platform/process/service.js";
import { STUCK_AFTER_MS } from "./closing/close-worker.js";
import { startBillingCore } from "./core.js";
import { createBillingSubgraph } from "./graph/resolvers.js";
import { registerRebuild } from "./http/rebuild.js";
import { waitingCloses } from "./store/periods.js";

/** Starts billing: its graph immediately, its consumer and worker on `begin`, when the ledger is available. */
export async function startBilling(context: ServiceContext): Promise<Service> {
  const { clock, tenancy } = context;
  const { partitions } = context.config;
  const core = await startBillingCore(context);
  const { database, onError } = core;
  const subgraph = await createBillingSubgraph({ ...context, partitions, database: forRequests(database) });

  async function closeReasons(): Promise<string[]> {
    try {
      const [oldest] = await waitingCloses(database.pool, 1);
      const isStuck = oldest !== undefined && clock.now() - oldest.since > STUCK_AFTER_MS;
      return isStuck ? [`the close of a billing period of ${oldest.tenantId} is stuck`] : [];
    } catch (error) {
      onError(error);
      return ["billing's database does not answer"];
    }
  }

  async function readiness(): Promise<Readiness> {
    const reasons = consumerReasons("billing's consumer of usage.recorded", core.consumer());
    reasons.push(...(await closeReasons()));
    if (isStuck(core.relay)) reasons.push("closed periods and invoices are not announced");
    return { ready: reasons.length === 0, reasons };
  }

  return {
    name: "billing",
    subgraph,
    readiness,
    register: (app) =>
      registerRebuild(app, {
        ...{ database, tenancy, clock, onError, ledger: context.ledger, identityTokens: context.identityTokens },
        ...{ partitions, migrationsDir: migrationsDirOf("billing") },
      }),
    begin: core.begin,
    stop: core.stop,
  };
}
