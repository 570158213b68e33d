/**
 * The oracle's own arithmetic: integers of 10^-30 in BigInt. It shares no code with the product, whose decimals come from a
 * library.
 */
export const SCALE = 30n;
const ONE = 10n ** SCALE;

/** Parses plain decimal text exactly. */
export function amount(text: string): bigint {
  const [integer = "0", fraction = ""] = text.replace("-", "").split(".");
  const value = BigInt(integer) * ONE + BigInt(fraction.padEnd(Number(SCALE), "0"));
  return text.startsWith("-") ? -value : value;
}

/** Product of two amounts; the inputs of these tests leave nothing below 10^-30. */
export function times(a: bigint, b: bigint): bigint {
  const product = a * b;
  if (product % ONE !== 0n) throw new RangeError("the oracle's scale is too small for this product");
  return product / ONE;
}

export function dividedBy(a: bigint, b: bigint): bigint {
  const scaled = a * ONE;
  if (scaled % b !== 0n) throw new RangeError("the oracle's scale is too small for this quotient");
  return scaled / b;
}

/** Rounds half away from zero to `digits` fractional digits and prints exactly that many. */
export function money(value: bigint, digits: number): string {
  const unit = 10n ** (SCALE - BigInt(digits));
  const magnitude = value < 0n ? -value : value;
  const units = (magnitude + unit / 2n) / unit;
  const text = units.toString().padStart(digits + 1, "0");
  const point = text.length - digits;
  const sign = value < 0n && units > 0n ? "-" : "";
  return digits === 0 ? sign + text : `${sign}${text.slice(0, point)}.${text.slice(point)}`;
}

/** Canonical text: no trailing zeros. */
export function plain(value: bigint): string {
  const text = money(value, Number(SCALE));
  return text.replace(/\.?0+$/, "");
}
