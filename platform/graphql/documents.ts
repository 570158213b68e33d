import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
  parse,
  validate,
} from "graphql";
import { LRUCache } from "lru-cache";
import { type ErrorCode, MetrlyError } from "#kernel/errors.js";

/** Bounds of the cache: 1,000 documents of 16 KiB are 16 MiB of text. Longer ones are not cached. */
const MAX_DOCUMENTS = 1_000;
const MAX_KEPT_LENGTH = 16_384;
/** Bounds the parsing cost of one document. The gateway combines fetches, so this is more than a client's limit. */
const MAX_TOKENS = 50_000;

/** Cache of parsed and validated documents by text: the gateway repeats the same few. */
export interface GraphqlDocuments {
  /** Throws GRAPHQL_PARSE_FAILED or GRAPHQL_VALIDATION_FAILED. */
  get(text: string): DocumentNode;
}

export function createGraphqlDocuments(schema: GraphQLSchema): GraphqlDocuments {
  const kept = new LRUCache<string, DocumentNode>({ max: MAX_DOCUMENTS });
  return {
    get(text) {
      const known = kept.get(text);
      const document = known ?? validated(schema, parsed(text));
      if (known === undefined && text.length <= MAX_KEPT_LENGTH) kept.set(text, document);
      return document;
    },
  };
}

/** Throws INVALID when the document has no operation of this name, or several and none is named. */
export function operationOf(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode {
  const operation = getOperationAST(document, name);
  if (!operation)
    throw new MetrlyError("INVALID", "The document has no such operation, or has several and none is named");
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
