import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  parse,
  validate,
} from "graphql";
import { type ErrorCode, MetrlyError } from "#kernel/errors.js";
import { type Identity, mayCall } from "#schema/policy.js";
import { createKeptDocuments } from "./kept-documents.js";

/** Bounds the parsing cost of one document. The gateway combines fetches, so this is more than a client's limit. */
const MAX_TOKENS = 50_000;

/** Parsed and validated documents by text: the gateway repeats the same few. */
export interface GraphqlDocuments {
  /**
   * Kept for next time if the caller may call every root field. Throws GRAPHQL_PARSE_FAILED or GRAPHQL_VALIDATION_FAILED.
   */
  get(text: string, caller: Identity): DocumentNode;
}

export function createGraphqlDocuments(schema: GraphQLSchema): GraphqlDocuments {
  const documents = createKeptDocuments();
  return {
    get(text, caller) {
      const known = documents.get(text);
      if (known !== undefined) return known;
      const document = validated(schema, parsed(text));
      if (rootFieldsOf(document).every((field) => mayCall(caller, field))) documents.keep(text, document);
      return document;
    },
  };
}

const ROOT_TYPES = { query: "Query", mutation: "Mutation", subscription: "Subscription" } as const;

/** As `Query.tenant`. The gateway's fetches have no fragments at their root. */
const rootFieldsOf = ({ definitions }: DocumentNode): string[] =>
  definitions.flatMap((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION
      ? definition.selectionSet.selections.flatMap((selection) =>
          selection.kind === Kind.FIELD ? [`${ROOT_TYPES[definition.operation]}.${selection.name.value}`] : [],
        )
      : [],
  );

/** Throws INVALID when the document has no operation of this name, or several and none is named. */
export function operationOf(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode {
  const operation = getOperationAST(document, name);
  if (!operation)
    throw new MetrlyError("INVALID", "The document lacks the named operation, or has several and none is named");
  return operation;
}

function parsed(text: string): DocumentNode {
  try {
    return parse(text, { maxTokens: MAX_TOKENS, noLocation: true });
  } catch (error) {
    throw error instanceof GraphQLError ? refusal("GRAPHQL_PARSE_FAILED", [error]) : error;
  }
}

function validated(schema: GraphQLSchema, document: DocumentNode): DocumentNode {
  const problems = validate(schema, document);
  if (problems.length > 0) throw refusal("GRAPHQL_VALIDATION_FAILED", problems);
  return document;
}

const refusal = (code: ErrorCode, problems: readonly GraphQLError[]): MetrlyError =>
  new MetrlyError(code, problems.map(({ message }) => message).join("; "));
