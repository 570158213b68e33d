import DataLoader from "dataloader";
import { whileExecuting } from "./after-execution.js";
import type { SubgraphContext } from "./subgraph.js";

const MAX_BATCH = 500;

/**
 * Batches the keys that resolvers of one operation request in the same turn into one call of `load`, which returns in the order
 * of its keys; the operation's context is passed along. Nothing is cached: mutations of the same operation are seen. What is to
 * end with the operation's execution does not end before the call. Nothing is loaded for a client that has left.
 */
export function batched<Key, Value>(
  load: (keys: readonly Key[], context: SubgraphContext) => Promise<readonly Value[]>,
): (context: SubgraphContext, key: Key) => Promise<Value> {
  const loaders = new WeakMap<SubgraphContext, DataLoader<Key, Value>>();
  return (context, key) => {
    let loader = loaders.get(context);
    if (loader === undefined) {
      const loadFor = (keys: readonly Key[]) => {
        context.signal?.throwIfAborted();
        return load(keys, context);
      };
      loader = new DataLoader<Key, Value>((keys) => whileExecuting(context, () => loadFor(keys)), {
        cache: false,
        maxBatchSize: MAX_BATCH,
      });
      loaders.set(context, loader);
    }
    return loader.load(key);
  };
}
