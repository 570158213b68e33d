import { type DocumentNode, type ExecutionResult, execute, GraphQLError, type GraphQLSchema } from "graphql";
import { type CompiledQuery, compileQuery, isCompiledQuery } from "graphql-jit";

/** An operation asked for so often is compiled: before that it would cost more than it saves. */
const COMPILED_FROM = 3;

export interface GraphqlRequest {
  /** The same object for the same text: what is known of an operation is kept with it. */
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: unknown;
}

/** Executes queries and mutations, those that come again as code made for them. Never subscriptions. */
export type GraphqlExecution = (request: GraphqlRequest) => Promise<ExecutionResult>;

interface Known {
  uses: number;
  compiled: CompiledQuery | undefined;
}

export function createGraphqlExecution(schema: GraphQLSchema): GraphqlExecution {
  const documents = new WeakMap<DocumentNode, Known>();

  function compiledFor({ document, operationName }: GraphqlRequest): CompiledQuery | undefined {
    // Of a document with several operations only one could be kept; the gateway never sends such.
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
    const compiled = compiledFor(request);
    if (compiled === undefined) return interpreted(request);
    const result = await compiled.query(undefined, request.context, request.variables);
    if (result.errors === undefined || result.errors.length === 0) return result;
    // Variables that do not fit: nothing ran, and graphql-js tells more exactly which.
    if (result.data === undefined) return interpreted(request);
    return { data: result.data, errors: result.errors.map(plainError) };
  };
}

/** The compiler's errors lack what graphql-js gives its own. */
const plainError = ({ message, path, originalError }: GraphQLError): GraphQLError =>
  new GraphQLError(message, { path: path ?? null, originalError: originalError ?? null });
