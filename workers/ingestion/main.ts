import { forRequests } from "#platform/database/database.js";
import type { Service, ServiceContext } from "#platform/process/service.js";
import { createAudit } from "#platform/tenancy-client/audit-log.js";
import { measureAccountings } from "./accounting/accounting.js";
import { createLogTail } from "./accounting/log-tail.js";
import { createEventControl } from "./control/event-control.js";
import { startIngestionCore } from "./core.js";
import { buildIngestionSubgraph } from "./graph/resolvers.js";
import { registerEdge } from "./http/events.js";
import { registerLedgerRoutes } from "./http/ledger.js";
import type { AppenderLimits } from "./intake/appender.js";
import { createReadiness } from "./recorder/readiness.js";
import { createEventLookup } from "./store/event-lookup.js";

/** Accepts usage, records each event once in the ledger, and publishes it: see README.md. `intake`: limits other than the usual ones. */
export async function startIngestion(context: ServiceContext, intake?: Partial<AppenderLimits>): Promise<Service> {
  const { clock, log, tenancy, identityTokens } = context;
  const logger = context.logger.child({ service: "ingestion" });
  const core = await startIngestionCore({ ...context, logger }, intake);
  const { partitionCount, appender, metrics } = core;
  const requests = forRequests(core.database);
  const events = createEventLookup(requests, partitionCount, tenancy);
  const logTail = createLogTail(log);
  const subgraph = await buildIngestionSubgraph({
    events,
    audit: createAudit(log, clock),
    control: createEventControl({ database: requests, log, events, partitionCount, tenancyVersion: tenancy.version }),
    measureAccountings: (questions) => measureAccountings(requests, logTail, partitionCount, questions),
  });
  return {
    name: "ingestion",
    subgraph,
    register(app) {
      registerEdge(app, {
        ...{ tenancy, clock, appender, metrics, events },
        admission: core.admission,
        backlog: core.backlog,
      });
      registerLedgerRoutes(app, { database: requests, log, identityTokens, partitionCount });
    },
    readiness: createReadiness({ ...core, log, clock }),
    stop: core.stop,
  };
}
