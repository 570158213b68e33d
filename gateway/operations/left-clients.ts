import { type ExecutionArgs, type ExecutionResult, getOperationAST, OperationTypeNode } from "graphql";
import { clientLeft } from "#platform/http/disconnected.js";
import type { GatewayContext } from "./operation.js";

/** Ends the operation when its client leaves; undefined: it is none but a query, and runs to its end. */
export function endOf({ document, operationName, contextValue }: ExecutionArgs): AbortSignal | undefined {
  const isQuery = getOperationAST(document, operationName)?.operation === OperationTypeNode.QUERY;
  return isQuery ? (contextValue as GatewayContext).signal : undefined;
}

type Execute = (args: ExecutionArgs) => Promise<ExecutionResult>;

/**
 * An operation on a socket as graphql-ws takes it: a query is a stream of its one result, since of a stream, and of nothing else,
 * graphql-ws ends the work when its client completes it or closes the socket.
 */
export function endingWithClient(execute: Execute) {
  return (args: ExecutionArgs): Promise<ExecutionResult> | AsyncIterableIterator<ExecutionResult> => {
    if (getOperationAST(args.document, args.operationName)?.operation !== OperationTypeNode.QUERY) return execute(args);
    const client = new AbortController();
    const { signal } = client;
    const contextValue: GatewayContext = { ...(args.contextValue as GatewayContext), signal };
    const end = (): IteratorReturnResult<undefined> => ({ done: true, value: undefined });
    let isAsked = false;
    const stream: AsyncIterableIterator<ExecutionResult> = {
      async next() {
        if (isAsked || signal.aborted) return end();
        isAsked = true;
        const value = await execute({ ...args, contextValue });
        return signal.aborted ? end() : { done: false, value };
      },
      async return() {
        client.abort(clientLeft());
        return end();
      },
      [Symbol.asyncIterator]: () => stream,
    };
    return stream;
  };
}
