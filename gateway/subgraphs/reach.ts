import { type GraphQLSchema, OperationTypeNode, subscribe } from "graphql";
import { createGraphqlExecution } from "#platform/graphql/execution.js";
import type { Subgraph } from "#platform/graphql/subgraph.js";
import type { SubgraphExecutor } from "../federation/subgraph.js";
import { openRemoteSubgraph, type RemoteOptions, type RemoteTarget } from "./remote-subgraph.js";

/** A subgraph: in this process, or remote at a URL. */
export type SubgraphTarget = Subgraph | RemoteTarget;

export interface Reach {
  executorOf(target: SubgraphTarget): SubgraphExecutor;
  /** Closes connections; pending operations fail. */
  stop(): Promise<void>;
}

/** Decides how operations reach a subgraph. Connects lazily. */
export function reachSubgraphs(options: RemoteOptions): Reach {
  const closers: (() => Promise<void>)[] = [];
  return {
    executorOf(target) {
      if ("schema" in target) return localExecutor(target.schema);
      const remote = openRemoteSubgraph(target, options);
      closers.push(() => remote.stop());
      return remote.execute;
    },
    async stop() {
      await Promise.all(closers.map((close) => close()));
    },
  };
}

export function localExecutor(schema: GraphQLSchema): SubgraphExecutor {
  const execute = createGraphqlExecution(schema);
  return async ({ operation: { document, kind }, variables, context }) =>
    kind === OperationTypeNode.SUBSCRIPTION
      ? subscribe({ schema, document, variableValues: variables, contextValue: context })
      : execute({ document, variables, context });
}
