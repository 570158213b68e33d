import type { Readiness, Service } from "#platform/process/service.js";
import { startTenancyCore, type TenancyContext } from "./core.js";
import { buildTenancySubgraph } from "./graph/resolvers.js";
import type { TenancyStore } from "./store/store.js";

/** Opens tenancy's database, publishes its changes and serves its part of the graph. */
export async function startTenancy(context: TenancyContext): Promise<Service> {
  const { store, settled, stop } = await startTenancyCore(context);
  const subgraph = await buildTenancySubgraph(store, context.clock, settled).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { name: "tenancy", subgraph, readiness: () => readiness(store, context.clock.now()), stop };
}

const MAX_PUBLISH_DELAY_MS = 10_000;

async function readiness(store: TenancyStore, now: number): Promise<Readiness> {
  const oldest = await store.oldestUnpublished().catch(() => null);
  if (oldest === null) return { ready: false, reasons: ["tenancy's database does not answer"] };
  if (oldest === undefined || now - oldest < MAX_PUBLISH_DELAY_MS) return { ready: true, reasons: [] };
  return { ready: false, reasons: ["changes of tenancy do not reach the log"] };
}
