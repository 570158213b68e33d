import { suggestionList } from "graphql/jsutils/suggestionList.js";

/** Longer names, and more of them, are not compared: the work grows with all three. */
const MAX_LENGTH = 64;
const MAX_NAMES = 200;

/** The one of `names` that `text` may be a misspelling of; undefined: none is near. Compares at most 200 names of 64 characters. */
export function nearestName(text: string, names: Iterable<string>): string | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const compared: string[] = [];
  for (const name of names) {
    if (compared.length === MAX_NAMES) break;
    if (name.length <= MAX_LENGTH) compared.push(name);
  }
  return suggestionList(text, compared)[0];
}
