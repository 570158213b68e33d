import { type DocumentNode, Kind, visit } from "graphql";
import { MetrlyError } from "#kernel/errors.js";
import { holdsUnstorable, isStorable } from "#kernel/storable-text.js";

/** Refuses an operation with unstorable text anywhere. Throws INVALID. */
export function assertStorableText(document: DocumentNode, variables: Readonly<Record<string, unknown>>): void {
  if (holdsUnstorable(variables) || literalsHoldUnstorable(document))
    throw new MetrlyError("INVALID", "A string contains NUL or a lone surrogate, which cannot be stored");
}

function literalsHoldUnstorable(document: DocumentNode): boolean {
  const text = document.loc?.source.body;
  // Such a character appears literally or escaped: most documents need no walk.
  if (text !== undefined && !text.includes("\\u") && isStorable(text)) return false;
  let found = false;
  visit(document, {
    [Kind.STRING](node) {
      found ||= !isStorable(node.value);
    },
  });
  return found;
}
