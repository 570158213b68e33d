import { MAX_FRACTION_DIGITS } from "#kernel/decimal.js";
import type { LineDocument } from "#schema/events/invoice.v2.js";
import { moneyText, quantityText } from "./numbers.js";

/** One step of a line's price; `quantity` and `amount` are empty where there is nothing to say. */
export interface PaperStep {
  readonly words: string;
  readonly quantity: string;
  readonly amount: string;
}

type Step = LineDocument["arithmetic"][number];

/** An exact amount may have hundreds of digits. So many are shown, which are all that a price can have. */
const SHOWN_DIGITS = MAX_FRACTION_DIGITS;

/** What each note of a step, of either version of the document, means in words. The first that matches counts. */
const NOTES: readonly (readonly [RegExp, (step: Step, money: Money, match: RegExpMatchArray) => PaperStep])[] = [
  [/^included$/, (step) => ({ words: "Included in the plan", quantity: quantityText(step.quantity), amount: "" })],
  [
    /^divided by ([\d.]+)(, rounded up)?$/,
    (step, _, [, size = "", roundedUp = ""]) => ({
      words: `Counted in units of ${quantityText(size)}${roundedUp}`,
      ...{ quantity: quantityText(step.quantity), amount: "" },
    }),
  ],
  [/^tier \d+, (up to [\d.]+|without end)$/, (step, money, [, range = ""]) => tierWords(step, money, `Tier ${range}`)],
  [/^[\d,.]+ to [\d,.]+$/, (step, money, [range]) => tierWords(step, money, range ?? "")],
  [
    /^above [\d,.]+$/,
    (step, money, [range]) => tierWords(step, money, range === "above 0" ? "Every unit" : capital(range)),
  ],
  [
    /^packages of ([\d.]+)$/,
    (step, money, [, size = ""]) =>
      product(step, money, `Packages of ${quantityText(size)} at ${money(step.unitAmount)}`),
  ],
  [/^([\d.]+) %$/, (step, money, [, percent = ""]) => product(step, money, `${percent} % of the quantity`)],
  [
    /^([\d.]+) % discount$|^discount of ([\d.]+) %$/,
    (step, money, [, a, b]) => sum(step, money, `Discount of ${a ?? b} %`),
  ],
  [
    /^(raised to the minimum of|capped at) ([\d.]+)$/,
    (step, money, [, what, limit = ""]) => sum(step, money, `${capital(what)} ${money(limit)}`),
  ],
  [
    /already invoiced/,
    (step, money) => sum(step, money, "Less what was invoiced before; the steps above are rounded first"),
  ],
];
type Money = (amount: string) => string;

/** A step of a price in words. Never the bare arithmetic: a sum of its own is named and not multiplied. */
export function stepWords(step: Step, currency: string, unit: string): PaperStep {
  const money: Money = (amount) => moneyText(shortened(amount), currency);
  const { note } = step;
  if (note === null) {
    const per = unit === "" ? "" : ` per ${unit}`;
    return product(step, money, `At ${money(step.unitAmount)}${per}${plusFlat(step, money)}`);
  }
  for (const [pattern, wordsOf] of NOTES) {
    const match = pattern.exec(note);
    if (match !== null) return wordsOf(step, money, match);
  }
  return sum(step, money, capital(note));
}

const tierWords = (step: Step, money: Money, range: string): PaperStep =>
  product(step, money, `${range} at ${money(step.unitAmount)}${plusFlat(step, money)}`);

const plusFlat = ({ flatAmount }: Step, money: Money): string =>
  flatAmount === "0" ? "" : ` plus ${money(flatAmount)}`;

const product = (step: Step, money: Money, words: string): PaperStep => ({
  words,
  quantity: quantityText(shortened(step.quantity)),
  amount: money(step.amount),
});

const sum = (step: Step, money: Money, words: string): PaperStep => ({
  words,
  quantity: "",
  amount: money(step.amount),
});

const capital = (text = ""): string => text.charAt(0).toUpperCase() + text.slice(1);

function shortened(decimal: string): string {
  const [integer = "", fraction = ""] = decimal.split(".");
  return fraction.length <= SHOWN_DIGITS ? decimal : `${integer}.${fraction.slice(0, SHOWN_DIGITS)}…`;
}
