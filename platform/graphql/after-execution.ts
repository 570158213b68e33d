import { nextTurn } from "#platform/lifecycle/time.js";
import type { SubgraphContext } from "./subgraph.js";

interface Running {
  count: number;
  readonly after: (() => void)[];
}

const running = new WeakMap<SubgraphContext, Running>();

function runningOf(context: SubgraphContext): Running {
  const known = running.get(context) ?? { count: 0, after: [] };
  running.set(context, known);
  return known;
}

/** What a read brought may begin the next one in the same turn of the event loop. */
function settle(known: Running): void {
  if (known.count > 0 || known.after.length === 0) return;
  nextTurn(() => {
    if (known.count > 0) return;
    for (const run of known.after.splice(0)) run();
  });
}

/**
 * Counts `work`, an execution or a read for one, as running until it has settled. An operation may execute several times with one
 * context, also at once, and its reads go on after its execution: graphql-js ends that as soon as a field that is never null fails.
 */
export async function whileExecuting<Result>(
  context: SubgraphContext,
  work: () => Promise<Result> | Result,
): Promise<Result> {
  const known = runningOf(context);
  known.count += 1;
  try {
    return await work();
  } finally {
    known.count -= 1;
    settle(known);
  }
}

/** Calls `run` once the executions with this context and all their `batched` reads have ended, whatever their outcome. */
export function afterExecution(context: SubgraphContext, run: () => void): void {
  const known = runningOf(context);
  known.after.push(run);
  settle(known);
}
