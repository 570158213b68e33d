/** An exact fraction; `d` is positive. Rounded only when printed. */
export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

export const NOTHING: Rational = { n: 0n, d: 1n };

/** Parses plain decimal text. */
export function rational(text: string): Rational {
  const negative = text.startsWith("-");
  const [integer = "0", fraction = ""] = text.replace("-", "").split(".");
  const n = BigInt(integer + fraction);
  return reduced(negative ? -n : n, 10n ** BigInt(fraction.length));
}

export const plus = (a: Rational, b: Rational): Rational => reduced(a.n * b.d + b.n * a.d, a.d * b.d);
export const minus = (a: Rational, b: Rational): Rational => plus(a, negated(b));
export const times = (a: Rational, b: Rational): Rational => reduced(a.n * b.n, a.d * b.d);
export const negated = (a: Rational): Rational => ({ n: -a.n, d: a.d });
export const isNothing = (a: Rational): boolean => a.n === 0n;
export const isLess = (a: Rational, b: Rational): boolean => a.n * b.d < b.n * a.d;
export const isSame = (a: Rational, b: Rational): boolean => a.n * b.d === b.n * a.d;
export const total = (parts: readonly Rational[]): Rational => parts.reduce(plus, NOTHING);

export function over(a: Rational, b: Rational): Rational {
  if (b.n === 0n) throw new RangeError("division by zero");
  return b.n < 0n ? reduced(-a.n * b.d, a.d * -b.n) : reduced(a.n * b.d, a.d * b.n);
}

export function ceiling(a: Rational): Rational {
  const whole = a.n / a.d;
  return { n: a.n > 0n && a.n % a.d !== 0n ? whole + 1n : whole, d: 1n };
}

/** Nearest multiple of 10^-digits, halves away from zero. */
export function nearest(a: Rational, digits: number): Rational {
  const scale = 10n ** BigInt(digits);
  const magnitude = a.n < 0n ? -a.n : a.n;
  const units = (2n * magnitude * scale + a.d) / (2n * a.d);
  return reduced(a.n < 0n ? -units : units, scale);
}

/** Text with exactly `digits` decimals, halves away from zero. */
export function fixed(a: Rational, digits: number): string {
  const scale = 10n ** BigInt(digits);
  const rounded = nearest(a, digits);
  const units = (rounded.n * scale) / rounded.d;
  const magnitude = (units < 0n ? -units : units).toString().padStart(digits + 1, "0");
  const cut = magnitude.length - digits;
  const text = digits === 0 ? magnitude : `${magnitude.slice(0, cut)}.${magnitude.slice(cut)}`;
  return units < 0n ? `-${text}` : text;
}

/** Text without trailing zeros, truncated at 40 decimals. */
export function plain(a: Rational): string {
  const text = fixed(a, 40).replace(/0+$/, "").replace(/\.$/, "");
  return text === "-0" ? "0" : text;
}

function reduced(n: bigint, d: bigint): Rational {
  let [a, b] = [n < 0n ? -n : n, d];
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n ? NOTHING : { n: n / a, d: d / a };
}
