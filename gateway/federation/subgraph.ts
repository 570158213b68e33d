import type { DocumentNode, ExecutionResult, OperationTypeNode } from "graphql";
import type { GatewayContext } from "../operations/operation.js";

/** A fetch of a query plan: one subgraph's operation, the same object for every execution of the plan. */
export interface SubgraphOperation {
  readonly text: string;
  readonly document: DocumentNode;
  readonly kind: OperationTypeNode;
}

export interface SubgraphRequest {
  readonly operation: SubgraphOperation;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: GatewayContext;
}

export type SubgraphAnswer = ExecutionResult | AsyncIterable<ExecutionResult>;

/** Queries one subgraph: a result, or a stream of results for a subscription. */
export type SubgraphExecutor = (request: SubgraphRequest) => Promise<SubgraphAnswer>;

export const isStream = (answer: unknown): answer is AsyncIterable<ExecutionResult> =>
  typeof answer === "object" && answer !== null && Symbol.asyncIterator in answer;

/**
 * The mapped results, one after the other. Leaving closes the source at once, also while it waits. With `failed`, a source
 * that throws yields one more result and ends.
 */
export function mapped(
  source: AsyncIterable<ExecutionResult>,
  map: (result: ExecutionResult) => ExecutionResult | Promise<ExecutionResult>,
  failed?: (error: unknown) => ExecutionResult,
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
        return step.done ? end() : { done: false, value: await map(step.value) };
      } catch (error) {
        if (failed === undefined) throw error;
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
