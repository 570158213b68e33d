import { type DocumentNode, Kind, visit } from "graphql";
import { MetrlyError } from "#kernel/errors.js";
import { isDeeperThan, MAX_JSON_DEPTH } from "#kernel/json.js";
import { holdsUnstorable, isStorable } from "#kernel/storable-text.js";

/** Refuses an operation with unstorable text anywhere, or with variables too deep to be walked. Throws INVALID. */
export function assertStorableText(document: DocumentNode, variables: Readonly<Record<string, unknown>>): void {
  if (isDeeperThan(variables, MAX_JSON_DEPTH))
    throw new MetrlyError("INVALID", `Variables are nested at most ${MAX_JSON_DEPTH} levels deep`);
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
