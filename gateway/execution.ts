import { type ExecutionResult, GraphQLError } from "graphql";
import { MetrlyError } from "#kernel/errors.js";
import { maskError } from "#platform/graphql/subgraph.js";
import { after, type Timer } from "#platform/lifecycle/time.js";
import { createFederation, type Federation } from "./federation/federation.js";
import { isStream, type SubgraphAnswer, type SubgraphExecutor } from "./federation/subgraph.js";
import type { SubgraphTarget } from "./subgraphs/reach.js";

/** Called for each error that clients see masked or as SUBGRAPH_UNAVAILABLE. */
export type OnSubgraphFailure = (subgraph: string, error: unknown) => void;

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
    if (error instanceof MetrlyError) return { errors: [coded(error)] };
    onFailure(error);
    return { errors: [coded(new MetrlyError("SUBGRAPH_UNAVAILABLE", `The service ${name} does not answer`))] };
  };
  return async (request): Promise<SubgraphAnswer> => {
    try {
      const result = await inTime(execute(request), deadlineMs);
      return isStream(result) ? guardedStream(result, masked, failed) : masked(result);
    } catch (error) {
      return failed(error);
    }
  };
}

async function inTime<T>(answer: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = after(deadlineMs, () => reject(new Error(`no answer within ${deadlineMs} ms`)));
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer?.cancel();
  }
}

const coded = (error: MetrlyError): GraphQLError =>
  new GraphQLError(error.message, { extensions: { ...error.extensions, code: error.code } });

/** A source that throws yields one error with a code and ends; leaving closes the source at once, also while it waits. */
function guardedStream(
  source: AsyncIterable<ExecutionResult>,
  masked: (result: ExecutionResult) => ExecutionResult,
  failed: (error: unknown) => ExecutionResult,
): AsyncIterableIterator<ExecutionResult> {
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  const end = (): IteratorReturnResult<undefined> => {
    ended = true;
    return { done: true, value: undefined };
  };
  return {
    async next() {
      if (ended) return end();
      try {
        const step = await iterator.next();
        return step.done ? end() : { done: false, value: masked(step.value) };
      } catch (error) {
        ended = true;
        return { done: false, value: failed(error) };
      }
    },
    async return() {
      if (!ended) await iterator.return?.();
      return end();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
