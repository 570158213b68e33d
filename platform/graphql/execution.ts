import { type DocumentNode, type ExecutionResult, execute, GraphQLError, type GraphQLSchema } from "graphql";
import { type CompiledQuery, compileQuery, isCompiledQuery } from "graphql-jit";
import { callerOf } from "#platform/auth/identity.js";
import { onBehalfOf } from "#platform/lifecycle/caller.js";
import { whileExecuting } from "./after-execution.js";
import { answerTooLarge, isTooLarge } from "./answer-size.js";
import { notedPropagation, withPropagation } from "./propagation.js";
import type { SubgraphContext } from "./subgraph.js";

/** An operation executed this often is compiled: earlier it would cost more than it saves. */
const COMPILED_FROM = 3;

export interface GraphqlRequest {
  /** The same object for the same text: the compiled operation is cached with it. */
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: SubgraphContext;
}

/**
 * Executes queries and mutations, compiling repeated ones. Never subscriptions. An answer that grew too large while it was
 * built is one error without data.
 */
export type GraphqlExecution = (request: GraphqlRequest) => Promise<ExecutionResult>;

interface Known {
  uses: number;
  compiled: CompiledQuery | undefined;
}

export function createGraphqlExecution(schema: GraphQLSchema): GraphqlExecution {
  const documents = new WeakMap<DocumentNode, Known>();

  function compiledFor({ document, operationName }: GraphqlRequest): CompiledQuery | undefined {
    // Only one operation of a document could be cached; the gateway sends one per document.
    if (document.definitions.length > 1 || operationName) return undefined;
    const known = documents.get(document) ?? { uses: 0, compiled: undefined };
    documents.set(document, known);
    known.uses += 1;
    if (known.uses === COMPILED_FROM) {
      const outcome = compileQuery(schema, document);
      known.compiled = isCompiledQuery(outcome) ? outcome : undefined;
    }
    return known.compiled;
  }

  const interpreted = async ({ document, operationName, variables, context }: GraphqlRequest) =>
    execute({
      schema,
      document,
      operationName: operationName ?? null,
      variableValues: variables,
      contextValue: context,
    });

  return async (request) => {
    const result = await whileExecuting(request.context, () =>
      onBehalfOf(callerOf(request.context.identity), () => executed(request)),
    );
    const answer = isTooLarge(request.context) ? { errors: [tooLargeError()] } : result;
    return withPropagation(answer, notedPropagation(request.context));
  };

  async function executed(request: GraphqlRequest): Promise<ExecutionResult> {
    const compiled = compiledFor(request);
    if (compiled === undefined) return interpreted(request);
    const result = await compiled.query(undefined, request.context, request.variables);
    if (result.errors === undefined || result.errors.length === 0) return result;
    // Invalid variables: nothing ran, and graphql-js has the better error message.
    if (result.data === undefined) return interpreted(request);
    return { data: result.data, errors: result.errors.map(plainError) };
  }
}

function tooLargeError(): GraphQLError {
  const originalError = answerTooLarge();
  return new GraphQLError(originalError.message, { originalError, extensions: { code: originalError.code } });
}

/** Errors of compiled operations lack some members of graphql-js errors. */
const plainError = ({ message, path, originalError }: GraphQLError): GraphQLError =>
  new GraphQLError(message, { path: path ?? null, originalError: originalError ?? null });
