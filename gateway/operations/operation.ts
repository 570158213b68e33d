import {
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  validate,
} from "graphql";
import { type ErrorCode, MetrlyError } from "#kernel/errors.js";
import { operationOf } from "#platform/graphql/documents.js";
import { createKeptDocuments } from "#platform/graphql/kept-documents.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { mayCall } from "#schema/policy.js";
import { ANONYMOUS } from "../auth/authentication.js";
import { fieldCostsOf } from "./costs.js";
import { type Fragments, fragmentsOf } from "./fragments.js";
import { assertLength, assertListItems, createMeasure, GRAPH_LIMITS } from "./limits.js";
import { assertStorableText } from "./storable-text.js";

/** The context for resolvers of the gateway and of every subgraph in this process; one object per operation. */
export type GatewayContext = SubgraphContext;

export interface Request {
  readonly text: string;
  /** The parsed text. */
  readonly document: DocumentNode;
  readonly operationName: string | null | undefined;
  readonly variables: Readonly<Record<string, unknown>> | null | undefined;
  readonly context: GatewayContext;
}

/** The way of every operation, on every transport, before it runs. */
export interface Operations {
  /** The document of this text if it is kept: it is valid. */
  kept(text: string): DocumentNode | undefined;
  /** Kept, or parsed. Throws GRAPHQL_PARSE_FAILED or TOO_COMPLEX. */
  parsed(text: string): DocumentNode;
  /**
   * Measures, then validates, then authenticates. The document is kept for next time if the caller may call every root field
   * of its operation. Returns the errors, or the operation. Throws a `MetrlyError` for an operation that is refused.
   */
  admitted(request: Request): ExecutionArgs | readonly GraphQLError[];
}

export function createOperations(schema: GraphQLSchema, supergraphSdl: string): Operations {
  const measure = createMeasure(schema, fieldCostsOf(supergraphSdl));
  const documents = createKeptDocuments();
  return {
    kept: documents.get,
    parsed: (text) => documents.get(text) ?? parsed(text),
    admitted({ text, document, operationName, variables, context }) {
      const operation = operationOf(document, operationName);
      const fragments = fragmentsOf(document);
      const { selections } = measure({ operation, fragments, variables: variables ?? {} });
      const isKept = documents.get(text) === document;
      const problems = isKept ? [] : validate(schema, document);
      if (problems.length > 0) return problems.map((problem) => withCode(problem, "GRAPHQL_VALIDATION_FAILED"));
      const roots = rootFieldsOf(operation.selectionSet, fragments);
      if (context.identity === ANONYMOUS && !roots.every((name) => name.startsWith("__")))
        throw new MetrlyError("UNAUTHENTICATED", "Sign in: without a key or token, only the schema can be read");
      assertStorableText(document, variables ?? {});
      assertListItems(variables ?? {});
      if (!isKept && isSingle(document) && mayCallAll(context, operation, roots))
        documents.keep(text, document, selections);
      return {
        schema,
        document,
        operationName: operationName ?? null,
        variableValues: variables ?? null,
        contextValue: context,
      };
    },
  };
}

function parsed(text: string): DocumentNode {
  assertLength(text);
  try {
    return parse(text, { maxTokens: GRAPH_LIMITS.tokens });
  } catch (error) {
    throw error instanceof GraphQLError ? withCode(error, "GRAPHQL_PARSE_FAILED") : error;
  }
}

const withCode = ({ message, source, positions, nodes }: GraphQLError, code: ErrorCode): GraphQLError =>
  new GraphQLError(message, {
    source: source ?? null,
    positions: positions ?? null,
    nodes: nodes ?? null,
    extensions: { code },
  });

/** Of several operations only the requested one is measured. */
const isSingle = ({ definitions }: DocumentNode): boolean =>
  definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION).length === 1;

const ROOT_TYPES = { query: "Query", mutation: "Mutation", subscription: "Subscription" } as const;

const mayCallAll = ({ identity }: GatewayContext, operation: OperationDefinitionNode, roots: readonly string[]) =>
  identity !== ANONYMOUS && roots.every((name) => mayCall(identity, `${ROOT_TYPES[operation.operation]}.${name}`));

/** By their names in the schema, repeats included. */
function rootFieldsOf(set: SelectionSetNode, fragments: Fragments): string[] {
  return set.selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection.name.value];
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
    return inner === undefined ? [] : rootFieldsOf(inner.selectionSet, fragments);
  });
}
