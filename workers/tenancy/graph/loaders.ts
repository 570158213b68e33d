import { readSizeOf } from "#platform/graphql/answer-size.js";
import { batched } from "#platform/graphql/batched.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import type { ApiKeyState } from "#schema/events/tenancy-changed.v1.js";
import type { AdmitBytes, AuditState } from "../store/reads.js";
import type { TenancyStore } from "../store/store.js";

export type Loaders = ReturnType<typeof createLoaders>;

/**
 * Batched lookups by id of one operation, for lists and for other subgraphs' references. They cache nothing, so that a mutation's
 * result and the next read are current; what they read counts towards the operation's large rows. Callers authorize.
 */
export function createLoaders(store: TenancyStore) {
  const keys = batched(async (tenantIds: readonly string[], context) => {
    const found = await store.apiKeysOfTenants([...new Set(tenantIds)], readSizeOf(context).take);
    const byTenant = new Map(tenantIds.map((id): [string | null, ApiKeyState[]] => [id, []]));
    for (const key of found) byTenant.get(key.tenantId)?.push(key);
    return tenantIds.map((id) => byTenant.get(id) ?? []);
  });
  const uses = batched(async (keyIds: readonly string[]) => {
    const found = await store.keyUses([...new Set(keyIds)]);
    return keyIds.map((id) => found.get(id));
  });
  // Read once, however often an operation asks for them.
  const meters = batched(async (asked: readonly "active"[], context) => {
    const found = await store.activeMeters(readSizeOf(context).take);
    return asked.map(() => found);
  });
  const states = (which: AuditState) =>
    batched(async (ids: readonly number[], context) => {
      const found = await store.auditStates(which, [...new Set(ids)], readSizeOf(context).take);
      return ids.map((id) => found.get(id));
    });
  return {
    tenant: byId(store.tenantsByIds),
    plan: byId(store.plansByIds),
    apiKeysOfTenant: keys,
    /** Undefined: never used, as far as reported. */
    keyUse: uses,
    activeMeters: (context: SubgraphContext) => meters(context, "active"),
    /** By the id of an entry of the audit log. */
    stateBefore: states("before"),
    stateAfter: states("after"),
  };
}

const byId = <T extends { readonly id: string }>(
  find: (ids: readonly string[], admit: AdmitBytes) => Promise<readonly T[]>,
) =>
  batched(async (ids: readonly string[], context): Promise<(T | undefined)[]> => {
    const read = await find([...new Set(ids)], readSizeOf(context).take);
    const found = new Map(read.map((item) => [item.id, item]));
    return ids.map((id) => found.get(id));
  });
