import { Decimal } from "#kernel/decimal.js";

/** A number of a JSON text that loses digits when parsed and printed. */
export interface InexactNumber {
  /** Member names and array indexes from the root, e.g. [2, "data", "tokens"]. */
  readonly path: readonly (string | number)[];
  readonly token: string;
}

/** More than 15 digits or an exponent where a value may be. May give false positives inside strings, never false negatives. */
const SUSPICIOUS = /(?:^|[:[,])\s*-?(?:\d[\d.]{15,}|\d[\d.]*[eE])/;

/**
 * Whether a text may contain a number that a double cannot represent: a cheap pre-check for `inexactNumbers`. Any decimal of up
 * to 15 significant digits and moderate size survives, so false means that all numbers do.
 */
export function mayHoldInexactNumbers(jsonText: string): boolean {
  return SUSPICIOUS.test(jsonText);
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[[\]{},:]/g;

/** Finds the inexact numbers of a text that `JSON.parse` has accepted. Not recursive: senders control the depth. */
export function inexactNumbers(jsonText: string): readonly InexactNumber[] {
  const found: InexactNumber[] = [];
  const path: (string | number)[] = [];
  let lastString = "";
  for (const [token] of jsonText.matchAll(TOKEN)) {
    switch (token) {
      case "{":
        path.push("");
        break;
      case "[":
        path.push(0);
        break;
      case "}":
      case "]":
        path.pop();
        break;
      case ":":
        path[path.length - 1] = memberName(lastString);
        break;
      case ",": {
        const index = path.at(-1);
        if (typeof index === "number") path[path.length - 1] = index + 1;
        break;
      }
      default:
        if (token.startsWith('"')) lastString = token;
        else if (!survives(token)) found.push({ path: [...path], token });
    }
  }
  return found;
}

function survives(token: string): boolean {
  const parsed = Number(token);
  return Number.isFinite(parsed) && new Decimal(parsed).equals(new Decimal(token));
}

function memberName(quoted: string): string {
  const name: unknown = JSON.parse(quoted);
  return String(name);
}
