const UNSTORABLE = /\0|\p{Surrogate}/u;
/** Finds paired surrogates too, but without reading code points: most texts have none. */
const SUSPECT = /[\0\ud800-\udfff]/;

/**
 * Whether a database keeps the text as it is. PostgreSQL refuses NUL, and a lone surrogate becomes another character, so that
 * two different ids would become one.
 */
export const isStorable = (text: string): boolean => !SUSPECT.test(text) || !UNSTORABLE.test(text);

/** The text with U+FFFD for what cannot be stored: for messages and foreign bodies. */
export const storableText = (text: string): string => text.replaceAll(/\0|\p{Surrogate}/gu, "\uFFFD");
