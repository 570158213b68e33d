import type { DocumentNode } from "graphql";
import { LRUCache } from "lru-cache";

/** Limits of the documents that one process keeps for a schema, with all that is derived from them. */
export const KEPT_DOCUMENT_LIMITS = {
  /** Estimated bytes of all. */
  totalBytes: 64 * 1024 * 1024,
  /** Length of one text; longer ones are read anew each time. */
  length: 16_384,
} as const;

/** Measured: a character takes its syntax nodes and compiled code; a selection also its share of the plan and the shapes. */
const BYTES_PER_CHARACTER = 256;
const BYTES_PER_SELECTION = 4_096;

/**
 * Valid documents by text, bounded in bytes. Whatever is derived from a document (plans, compiled code) must hang on the
 * document itself, so that it is counted here and goes with it. Only keep what its caller may run.
 */
export interface KeptDocuments {
  get(text: string): DocumentNode | undefined;
  /** `selections`: with fragments expanded, if the text does not show them. */
  keep(text: string, document: DocumentNode, selections?: number): void;
}

export function createKeptDocuments(): KeptDocuments {
  const kept = new LRUCache<string, DocumentNode>({ maxSize: KEPT_DOCUMENT_LIMITS.totalBytes });
  return {
    get: (text) => (text.length > KEPT_DOCUMENT_LIMITS.length ? undefined : kept.get(text)),
    keep(text, document, selections = 0) {
      if (text.length > KEPT_DOCUMENT_LIMITS.length) return;
      kept.set(text, document, { size: text.length * BYTES_PER_CHARACTER + selections * BYTES_PER_SELECTION });
    },
  };
}
