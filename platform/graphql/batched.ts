import DataLoader from "dataloader";
import type { SubgraphContext } from "./subgraph.js";

const MAX_BATCH = 500;

/**
 * What the resolvers of one operation ask for in the same turn becomes one call of `load`, which answers in the order of its
 * keys. Nothing is cached: mutations of the same operation are seen.
 */
export function batched<Key, Value>(
  load: (keys: readonly Key[]) => Promise<readonly Value[]>,
): (context: SubgraphContext, key: Key) => Promise<Value> {
  const loaders = new WeakMap<SubgraphContext, DataLoader<Key, Value>>();
  return (context, key) => {
    let loader = loaders.get(context);
    if (loader === undefined) {
      loader = new DataLoader<Key, Value>(load, { cache: false, maxBatchSize: MAX_BATCH });
      loaders.set(context, loader);
    }
    return loader.load(key);
  };
}
