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
