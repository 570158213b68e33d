import DataLoader from "dataloader";
import type { ApiKeyState, PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import type { TenancyStore } from "../store/store.js";

/**
 * Batched lookups by id, for lists and for other subgraphs' references. They batch across requests and cache nothing, so that a
 * mutation's result and the next read are current; callers authorize.
 */
export interface Loaders {
  tenant(id: string): Promise<TenantState | undefined>;
  plan(id: string): Promise<PlanState | undefined>;
  apiKeysOfTenant(tenantId: string): Promise<readonly ApiKeyState[]>;
  /** Undefined: never used, as far as reported. */
  keyUse(keyId: string): Promise<number | undefined>;
}

const OPTIONS = { cache: false, maxBatchSize: 500 } as const;

export function createLoaders(store: TenancyStore): Loaders {
  const tenants = new DataLoader(
    byId((ids) => store.tenantsByIds(ids)),
    OPTIONS,
  );
  const plans = new DataLoader(
    byId((ids) => store.plansByIds(ids)),
    OPTIONS,
  );
  const keys = new DataLoader(async (tenantIds: readonly string[]) => {
    const found = await store.apiKeysOfTenants([...new Set(tenantIds)]);
    return tenantIds.map((id) => found.filter((key) => key.tenantId === id));
  }, OPTIONS);
  const uses = new DataLoader(async (keyIds: readonly string[]) => {
    const found = await store.keyUses([...new Set(keyIds)]);
    return keyIds.map((id) => found.get(id));
  }, OPTIONS);
  return {
    keyUse: (keyId) => uses.load(keyId),
    tenant: (id) => tenants.load(id),
    plan: (id) => plans.load(id),
    apiKeysOfTenant: (tenantId) => keys.load(tenantId),
  };
}

function byId<T extends { readonly id: string }>(find: (ids: readonly string[]) => Promise<readonly T[]>) {
  return async (ids: readonly string[]): Promise<(T | undefined)[]> => {
    const found = new Map((await find([...new Set(ids)])).map((item) => [item.id, item]));
    return ids.map((id) => found.get(id));
  };
}
