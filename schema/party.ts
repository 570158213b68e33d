/** A name and address on invoices. */
export interface PartyText {
  readonly name: string;
  readonly addressLines: readonly string[];
}

export const MAX_PARTY_NAME = 200;
export const MAX_ADDRESS_LINES = 8;
export const MAX_ADDRESS_LINE = 100;

/** Control characters, line separators, lone surrogates, and what changes the direction of the text around it. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** Why a party cannot be printed: the member and what is wrong with it; empty: it can. */
export function partyProblems({ name, addressLines }: PartyText): { path: string; detail: string }[] {
  const lines = addressLines.slice(0, MAX_ADDRESS_LINES).flatMap((line, index) => {
    const detail = textProblem(line, MAX_ADDRESS_LINE);
    return detail === undefined ? [] : [{ path: `addressLines[${index}]`, detail }];
  });
  const inName = textProblem(name, MAX_PARTY_NAME);
  return [
    ...(inName === undefined ? [] : [{ path: "name", detail: inName }]),
    ...(addressLines.length > MAX_ADDRESS_LINES
      ? [{ path: "addressLines", detail: `has at most ${MAX_ADDRESS_LINES} lines` }]
      : []),
    ...lines,
  ];
}

/** Why a text cannot be shown in one line, of at most `max` characters; undefined: it can. */
export function textProblem(text: string, max: number): string | undefined {
  if (text.trim() === "") return "must not be blank";
  if (text.length > max) return `has at most ${max} characters`;
  if (UNPRINTABLE.test(text)) return "must not have control characters or line breaks";
  return undefined;
}
