/** Amounts of the oracle: whole numbers of 10^-12, from and to the text of the data plane. */
export type Exact = bigint;

const DIGITS = 12;
export const ONE: Exact = 10n ** BigInt(DIGITS);

export function exactOf(text: string): Exact {
  const found = /^(-?)(\d+)(?:\.(\d{1,12}))?$/.exec(text);
  if (found === null) throw new RangeError(`not an amount: ${text}`);
  const [, sign, whole = "0", fraction = ""] = found;
  const size = BigInt(whole) * ONE + BigInt(fraction.padEnd(DIGITS, "0"));
  return sign === "-" ? -size : size;
}

export function textOf(amount: Exact): string {
  const size = amount < 0n ? -amount : amount;
  const fraction = String(size % ONE)
    .padStart(DIGITS, "0")
    .replace(/0+$/, "");
  return `${amount < 0n ? "-" : ""}${size / ONE}${fraction === "" ? "" : `.${fraction}`}`;
}

/** An amount that is known, or one of two that it lies between. */
export interface Range {
  readonly least: Exact;
  readonly most: Exact;
}

export const isWithin = ({ least, most }: Range, amount: Exact): boolean => least <= amount && amount <= most;

export const rangeText = ({ least, most }: Range): string =>
  least === most ? textOf(least) : `${textOf(least)}..${textOf(most)}`;

export const larger = (a: Exact, b: Exact): Exact => [a, b][a < b ? 1 : 0] ?? a;
export const smaller = (a: Exact, b: Exact): Exact => [a, b][a < b ? 0 : 1] ?? a;
