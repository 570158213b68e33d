import type { Clock } from "#kernel/clock.js";
import type { Propagation } from "#platform/graphql/propagation.js";
import { buildSubgraph, type Subgraph } from "#platform/graphql/subgraph.js";
import type { TenancyStore } from "../store/store.js";
import { AccessResolver, ApiKeyResolver, AuditEntryResolver } from "./access-resolver.js";
import { createLoaders } from "./loaders.js";
import { PlanResolver } from "./plan-resolver.js";
import { TenantResolver } from "./tenant-resolver.js";

/**
 * Tenancy's part of the graph. Other services extend `Tenant` by `id` and refer to plan versions as `PlanVersion` with
 * `planId@version`. `afterMutation`: awaited before a mutation is answered.
 */
export function buildTenancySubgraph(
  store: TenancyStore,
  clock: Clock,
  afterMutation: () => Promise<Propagation>,
): Promise<Subgraph> {
  const loaders = createLoaders(store);
  const tenants = new TenantResolver(store, loaders, clock);
  const plans = new PlanResolver(store, loaders);
  return buildSubgraph({
    name: "tenancy",
    afterMutation,
    resolvers: [
      ...[tenants, plans, new AccessResolver(store), new ApiKeyResolver(loaders)],
      new AuditEntryResolver(loaders),
    ],
    references: {
      Tenant: ({ id }, context) => (typeof id === "string" ? tenants.reference(id, context) : null),
      PlanVersion: ({ id }, context) => plans.versionReference(id, context),
    },
  });
}
