/**
 * What to do with a number that JSON cannot carry exactly: `"refuse"` throws TypeError where it is given; `"round"` rounds to
 * 15 significant digits, and makes text of a BigInt.
 */
export type Numbers = "refuse" | "round";

/** Every decimal number of so many digits survives a double; one with more came from binary arithmetic, such as 0.1 + 0.2. */
const EXACT_DIGITS = 15;

/** The JSON of a value, in which all numbers are those that were meant. Throws TypeError for others, and for what JSON does not support. */
export function exactJson(value: unknown, numbers: Numbers): string {
  return JSON.stringify(value, (name, part: unknown) =>
    typeof part === "number" || typeof part === "bigint" ? exactNumber(part, name, numbers) : part,
  );
}

/** The number itself, or what stands for it. `name`: of the property, for the error. */
export function exactNumber(value: number | bigint, name: string, numbers: Numbers): number | string {
  if (typeof value === "bigint") {
    if (numbers === "round") return value.toString();
    throw new TypeError(
      `${name} is a BigInt, which JSON does not support: pass String(${name}), or set numbers: "round"`,
    );
  }
  if (!Number.isFinite(value)) throw new TypeError(`${name} is ${value}, which is no quantity`);
  const rounded = Number(value.toPrecision(EXACT_DIGITS));
  if (rounded === value || Number.isSafeInteger(value)) return value;
  if (numbers === "round") return rounded;
  throw new TypeError(
    `${name} is ${value}, which may not be exactly the number that you mean: pass text, such as (0.1 + 0.2).toFixed(2), or set numbers: "round"`,
  );
}
