import { Decimal } from "./decimal.js";

/** A number of a JSON text that loses digits when parsed and printed. */
export interface InexactNumber {
  /** Member names and array indexes from the root, e.g. [2, "data", "tokens"]; the first ones of a deep one. */
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

/** Members and indexes of a path that are kept: deeper ones do not help to find a number. */
const MAX_PATH = 40;

/**
 * The first inexact number of each part of a text that `JSON.parse` has accepted. `partOf` names the part that a path belongs
 * to; undefined: it does not matter. Not recursive, and in time and memory proportional to the text: senders control depth and
 * count.
 */
export function inexactNumbers<Part>(
  jsonText: string,
  partOf: (path: readonly (string | number)[]) => Part | undefined,
): ReadonlyMap<Part, InexactNumber> {
  const found = new Map<Part, InexactNumber>();
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
        else noteIfInexact(token);
    }
  }
  return found;

  function noteIfInexact(token: string): void {
    const part = partOf(path);
    if (part === undefined || found.has(part) || survives(token)) return;
    found.set(part, { path: path.slice(0, MAX_PATH), token });
  }
}

/** Up to 15 significant digits of moderate size: a double has them all. */
const PLAIN = /^-?(?=[\d.]{1,16}(?:[eE]|$))\d{1,15}(?:\.\d{1,14})?(?:[eE][+-]?\d{1,2})?$/;

function survives(token: string): boolean {
  if (PLAIN.test(token)) return true;
  const parsed = Number(token);
  return Number.isFinite(parsed) && new Decimal(parsed).equals(new Decimal(token));
}

function memberName(quoted: string): string {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  const name: unknown = JSON.parse(quoted);
  return String(name);
}
