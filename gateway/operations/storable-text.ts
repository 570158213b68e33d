import { type DocumentNode, Kind, visit } from "graphql";
import { MetrlyError } from "#kernel/errors.js";

/** NUL and lone surrogates: no database keeps them, so two different texts would become one, or a query fail. */
const UNSTORABLE = /\0|\p{Surrogate}/u;

/** Refuses an operation whose texts can't be stored or looked up, wherever they stand. Throws INVALID. */
export function assertStorableText(document: DocumentNode, variables: Readonly<Record<string, unknown>>): void {
  if (holdsUnstorable(variables) || literalsHoldUnstorable(document))
    throw new MetrlyError("INVALID", "A text holds NUL or half a surrogate pair, which is not valid Unicode text");
}

function holdsUnstorable(value: unknown): boolean {
  if (typeof value === "string") return UNSTORABLE.test(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, member]) => UNSTORABLE.test(name) || holdsUnstorable(member));
}

function literalsHoldUnstorable(document: DocumentNode): boolean {
  const text = document.loc?.source.body;
  // Such a character is escaped or stands there itself: most documents need no walk.
  if (text !== undefined && !text.includes("\\u") && !UNSTORABLE.test(text)) return false;
  let found = false;
  visit(document, {
    [Kind.STRING](node) {
      found ||= UNSTORABLE.test(node.value);
    },
  });
  return found;
}
