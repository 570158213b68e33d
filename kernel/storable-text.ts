const UNSTORABLE = /\0|\p{Surrogate}/u;
/** Finds paired surrogates too, but without reading code points: most texts have none. */
const SUSPECT = /[\0\ud800-\udfff]/;

/**
 * Whether a database keeps the text as it is. PostgreSQL refuses NUL, and a lone surrogate becomes another character, so that
 * two different ids would become one.
 */
export const isStorable = (text: string): boolean => !SUSPECT.test(text) || !UNSTORABLE.test(text);

/** Whether a JSON value has unstorable text anywhere, names included. */
export function holdsUnstorable(value: unknown): boolean {
  if (typeof value === "string") return !isStorable(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, member]) => !isStorable(name) || holdsUnstorable(member));
}

/** The text with U+FFFD for what cannot be stored: for messages and foreign bodies. */
export const storableText = (text: string): string => text.replaceAll(/\0|\p{Surrogate}/gu, "\uFFFD");
