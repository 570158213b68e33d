import type { SubgraphContext } from "./subgraph.js";

interface Running {
  count: number;
  readonly after: (() => void)[];
}

const running = new WeakMap<SubgraphContext, Running>();

/** An operation may execute several times with one context, also at once. Call the result when this one has ended. */
export function executionBegan(context: SubgraphContext): () => void {
  const known = running.get(context) ?? { count: 0, after: [] };
  running.set(context, known);
  known.count += 1;
  return () => {
    known.count -= 1;
    if (known.count > 0) return;
    for (const run of known.after.splice(0)) run();
  };
}

/** Calls `run` once the executions with this context have ended, whatever their outcome; at once if none is running. */
export function afterExecution(context: SubgraphContext, run: () => void): void {
  const known = running.get(context);
  if (known === undefined || known.count === 0) run();
  else known.after.push(run);
}
