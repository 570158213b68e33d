import type { DocumentNode, ExecutionResult, OperationTypeNode } from "graphql";
import type { GatewayContext } from "../operations/operation.js";

/** A part of a query plan: what one subgraph is asked, the same object each time the plan runs. */
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

/** Asks one subgraph: an answer, or for a subscription its results. */
export type SubgraphExecutor = (request: SubgraphRequest) => Promise<SubgraphAnswer>;

export const isStream = (answer: unknown): answer is AsyncIterable<ExecutionResult> =>
  typeof answer === "object" && answer !== null && Symbol.asyncIterator in answer;
