import { readFile } from "node:fs/promises";
import { parse } from "graphql";
import { MetrlyError, messageOf } from "#kernel/errors.js";
import { isJsonObject } from "#kernel/json.js";
import { ConfigError } from "#platform/process/config-error.js";

/** The part of a request that selects the operation. */
export interface OperationRequest {
  readonly query?: unknown;
  /** The id of a persisted operation in GraphQL over HTTP. */
  readonly documentId?: unknown;
  readonly extensions?: unknown;
}

/** The allow-list of operations: no other is executed, for any caller. */
export interface PersistedOperations {
  /**
   * The text of the operation named by an id (`documentId`, or Apollo's `extensions.persistedQuery.sha256Hash`) or sent
   * as text. Throws NOT_FOUND for an unknown id, FORBIDDEN for a text that is not in the list.
   */
  textOf(request: OperationRequest): string;
}

/**
 * Reads a list: an object of texts by id, or a manifest of `@apollo/generate-persisted-query-manifest`. Throws ConfigError when it
 * is neither, or an operation does not parse.
 */
export async function readPersistedOperations(file: string): Promise<PersistedOperations> {
  const byId = textsById(jsonOf(await readFile(file, "utf8"), file), file);
  for (const [id, text] of byId) assertParses(id, text, file);
  const texts = new Set(byId.values());
  return {
    textOf(request) {
      const id = idOf(request);
      if (id === undefined) {
        if (typeof request.query === "string" && texts.has(request.query)) return request.query;
        throw new MetrlyError("FORBIDDEN", "Only persisted operations are allowed, and this is not one of them");
      }
      const text = byId.get(id);
      if (text === undefined) throw new MetrlyError("NOT_FOUND", "There is no persisted operation with this id");
      return text;
    },
  };
}

function jsonOf(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refusal(file, "is not JSON");
  }
}

const refusal = (file: string, what: string) => new ConfigError(`METRLY_PERSISTED_OPERATIONS: ${file} ${what}`);

function textsById(list: unknown, file: string): ReadonlyMap<string, string> {
  const operations = isJsonObject(list) ? list.operations : undefined;
  const pairs: readonly (readonly [unknown, unknown])[] = Array.isArray(operations)
    ? operations.map((operation) => (isJsonObject(operation) ? [operation.id, operation.body] : [undefined, undefined]))
    : Object.entries(isJsonObject(list) ? list : {});
  const found = new Map<string, string>();
  for (const [id, text] of pairs) {
    if (typeof id !== "string" || typeof text !== "string")
      throw refusal(file, "is no object of texts by id, and no manifest with an id and a body each");
    found.set(id, text);
  }
  if (found.size === 0) throw refusal(file, "lists no operation");
  return found;
}

function assertParses(id: string, text: string, file: string): void {
  try {
    parse(text);
  } catch (error) {
    throw refusal(file, `has the operation ${id}, which does not parse: ${messageOf(error)}`);
  }
}

function idOf({ documentId, extensions }: OperationRequest): string | undefined {
  if (typeof documentId === "string") return documentId;
  const persisted = isJsonObject(extensions) ? extensions.persistedQuery : undefined;
  const hash = isJsonObject(persisted) ? persisted.sha256Hash : undefined;
  return typeof hash === "string" ? hash : undefined;
}
