import DataLoader from "dataloader";
import type { TenancyStore } from "../store/store.js";

export type Loaders = ReturnType<typeof createLoaders>;

const OPTIONS = { cache: false, maxBatchSize: 500 } as const;

/**
 * Batched lookups by id, for lists and for other subgraphs' references. They batch across requests and cache nothing, so that a
 * mutation's result and the next read are current; callers authorize.
 */
export function createLoaders(store: TenancyStore) {
  const tenants = new DataLoader(byId(store.tenantsByIds), OPTIONS);
  const plans = new DataLoader(byId(store.plansByIds), OPTIONS);
  const keys = new DataLoader(async (tenantIds: readonly string[]) => {
    const found = await store.apiKeysOfTenants([...new Set(tenantIds)]);
    return tenantIds.map((id) => found.filter((key) => key.tenantId === id));
  }, OPTIONS);
  const uses = new DataLoader(async (keyIds: readonly string[]) => {
    const found = await store.keyUses([...new Set(keyIds)]);
    return keyIds.map((id) => found.get(id));
  }, OPTIONS);
  return {
    /** Undefined: never used, as far as reported. */
    keyUse: (keyId: string) => uses.load(keyId),
    tenant: (id: string) => tenants.load(id),
    plan: (id: string) => plans.load(id),
    apiKeysOfTenant: (tenantId: string) => keys.load(tenantId),
  };
}

function byId<T extends { readonly id: string }>(find: (ids: readonly string[]) => Promise<readonly T[]>) {
  return async (ids: readonly string[]): Promise<(T | undefined)[]> => {
    const found = new Map((await find([...new Set(ids)])).map((item) => [item.id, item]));
    return ids.map((id) => found.get(id));
  };
}
