import type { ExecutionResult } from "graphql";
import type { Logger } from "pino";
import { MetrlyError } from "#kernel/errors.js";
import { maskError } from "#platform/graphql/subgraph.js";
import { within } from "#platform/lifecycle/time.js";
import { createFederation, type Federation } from "./federation/federation.js";
import { isStream, mapped, type SubgraphAnswer, type SubgraphExecutor } from "./federation/subgraph.js";
import { graphqlErrorOf } from "./operations/client-error.js";
import type { SubgraphTarget } from "./subgraphs/reach.js";

/** Called for each error that clients see masked or as SUBGRAPH_UNAVAILABLE. */
export type OnSubgraphFailure = (subgraph: string, error: unknown) => void;

/** A subgraph did not answer in time: the machine is busy, and the client may ask again. */
class NoAnswer extends Error {}

/** A warning for what passes by itself, an error for what somebody must mend. */
export const logFailures =
  (logger: Logger): OnSubgraphFailure =>
  (subgraph, error) => {
    if (error instanceof NoAnswer) logger.warn({ subgraph, reason: error.message }, "a subgraph does not answer");
    else logger.error({ err: error, subgraph }, "a subgraph failed");
  };

/** Longer than the timeout of a remote subgraph: bounds a subgraph in this process that hangs. */
const DEADLINE_MS = 15_000;

/** One graph over all subgraphs; every failure has a code. */
export function buildFederation<Target extends SubgraphTarget>(
  supergraphSdl: string,
  targets: readonly Target[],
  onFailure: OnSubgraphFailure,
  reach: (target: Target) => SubgraphExecutor,
  deadlineMs = DEADLINE_MS,
): Federation {
  const executors = new Map(
    targets.map((target) => [
      target.name,
      guarded(target.name, reach(target), (error) => onFailure(target.name, error), deadlineMs),
    ]),
  );
  return createFederation({
    supergraphSdl,
    executorOf(name) {
      const executor = executors.get(name);
      if (executor === undefined) throw new Error(`the supergraph names an unknown subgraph: ${name}`);
      return executor;
    },
  });
}

/**
 * Gives every failure of a subgraph a code at the right path: its errors are masked before responses are merged, and a
 * subgraph that does not answer is SUBGRAPH_UNAVAILABLE while the others' data is delivered.
 */
export function guarded(
  name: string,
  execute: SubgraphExecutor,
  onFailure: (error: unknown) => void,
  deadlineMs = DEADLINE_MS,
): SubgraphExecutor {
  const masked = (result: ExecutionResult): ExecutionResult =>
    result.errors === undefined || result.errors.length === 0
      ? result
      : { ...result, errors: result.errors.map((error) => maskError(error, onFailure)) };
  const failed = (error: unknown): ExecutionResult => {
    if (error instanceof MetrlyError) return { errors: [graphqlErrorOf(error)] };
    onFailure(error);
    return { errors: [graphqlErrorOf(new MetrlyError("SUBGRAPH_UNAVAILABLE", `The service ${name} does not answer`))] };
  };
  return async (request): Promise<SubgraphAnswer> => {
    try {
      const result = await within(deadlineMs, execute(request));
      if (result === undefined) throw new NoAnswer(`no answer within ${deadlineMs} ms`);
      return isStream(result) ? mapped(result, masked, failed) : masked(result);
    } catch (error) {
      return failed(error);
    }
  };
}
