import type { DocumentNode, ExecutionArgs } from "graphql";
import { heldBytes } from "#kernel/json.js";

/** A token of a parsed document with its part of the syntax tree. */
const TOKEN_BYTES = 300;

/** Roughly what an operation holds in memory while it waits or goes on; `isKept`: its document is held anyway, and counted there. */
export function bytesOfOperation({ document, variableValues }: ExecutionArgs, isKept = false): number {
  const tree = isKept ? 0 : tokensOf(document) * TOKEN_BYTES;
  return heldBytes(document.loc?.source.body) + tree + heldBytes(variableValues);
}

function tokensOf({ loc }: DocumentNode): number {
  let count = 0;
  for (let token = loc?.startToken ?? null; token !== null; token = token.next) count += 1;
  return count;
}
