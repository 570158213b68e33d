import { minorDigits } from "#kernel/money.js";
import type { PlanVersionState } from "#schema/events/tenancy-changed.v1.js";
import type { Charge, Step, Texts } from "./charges.js";
import type { Party } from "./parties.js";
import { fixed, NOTHING, plain, type Rational, total } from "./rational.js";

/** A plan version in force, with its id. */
export interface Terms {
  readonly planId: string;
  readonly plan: PlanVersionState;
}

/** A line of an invoice: a charge of its own period, or the correction of an earlier one. */
export interface Line {
  readonly charge: Charge;
  readonly terms: Terms;
  readonly amount: Rational;
  readonly correction?: {
    readonly invoiceId: string;
    readonly invoiceNumber: string;
    readonly periodStart: number;
    readonly before: Rational;
    readonly after: Rational;
    readonly steps: readonly Step[];
  };
}

export interface Facts {
  readonly version: 1 | 2;
  readonly tenantId: string;
  readonly ordinal: number;
  readonly start: number;
  readonly end: number;
  readonly currency: string;
  readonly terms: Terms | undefined;
  readonly watermark: number;
  readonly previousSha256: string | null;
  readonly lines: readonly Line[];
  readonly unclaimed: readonly Unclaimed[];
  readonly seller: Party | null;
  readonly buyer: Party;
  readonly nameOf: (meter: string) => { readonly name: string; readonly unit: string | null } | undefined;
}

/** Usage without a price. */
export interface Unclaimed {
  readonly meter: string;
  readonly dimensions: readonly { readonly dimension: string; readonly value: string }[];
  readonly quantity: Rational;
  readonly events: number;
  readonly hasPrices: boolean;
}

export const invoiceId = (tenantId: string, ordinal: number): string => `inv_${tenantId}_${padded(ordinal)}`;

/** In version 2 the bits of capital letters follow an id that has some, four to a digit. */
function seriesOf({ tenantId, version }: Pick<Facts, "tenantId" | "version">): string {
  const upper = tenantId.toUpperCase();
  const bits = [...tenantId].map((letter) => (letter === letter.toLowerCase() ? 0 : 1));
  if (version === 1 || !bits.includes(1)) return upper;
  const nibbles = Math.ceil(bits.length / 4);
  const padding = Array.from({ length: nibbles * 4 - bits.length }, () => 0);
  const digits = [...padding, ...bits];
  const hex = Array.from({ length: nibbles }, (_, n) =>
    digits.slice(4 * n, 4 * n + 4).reduce<number>((sum, bit) => 2 * sum + bit, 0),
  );
  const text = hex.map((digit) => "0123456789ABCDEF".charAt(digit)).join("");
  return `${upper}+${text.replace(/^0+/, "")}`;
}
export const invoiceNumber = (facts: Pick<Facts, "tenantId" | "ordinal" | "version">): string =>
  `${seriesOf(facts)}-${padded(facts.ordinal)}`;
const padded = (ordinal: number): string => String(ordinal).padStart(6, "0");
const iso = (ms: number): string => new Date(ms).toISOString();
const planOf = ({ planId, plan }: Terms) => ({ id: planId, version: plan.version });

/** The invoice document as a plain value. */
export function documentOf(facts: Facts): unknown {
  const digits = minorDigits(facts.currency);
  return {
    schema: `metrly.invoice.v${facts.version}`,
    id: invoiceId(facts.tenantId, facts.ordinal),
    number: invoiceNumber(facts),
    tenantId: facts.tenantId,
    period: { start: iso(facts.start), end: iso(facts.end) },
    currency: facts.currency,
    plan: facts.terms === undefined ? null : planOf(facts.terms),
    watermark: String(facts.watermark),
    previousSha256: facts.previousSha256,
    lines: facts.lines.map((line) => lineOf(line, digits, facts.version)),
    ...(facts.version === 2 && {
      seller: facts.seller,
      buyer: facts.buyer,
      meters: metersOf(facts),
      unpricedUsage: facts.unclaimed.map(({ meter, dimensions, quantity, events, hasPrices }) => ({
        meter,
        dimensions,
        quantity: plain(quantity),
        eventCount: String(events),
        reason: hasPrices ? "NO_PRICE_FOR_DIMENSIONS" : "NO_PRICE_FOR_METER",
      })),
    }),
    total: fixed(total(facts.lines.map((line) => line.amount)), digits),
  };
}

/** Every meter that the document names, by key. */
function metersOf({ lines, unclaimed, nameOf }: Facts): unknown[] {
  const named = new Map<string, unknown>();
  const note = (key: string): void => {
    const meter = nameOf(key);
    if (meter === undefined) throw new Error(`unknown meter ${key}`);
    named.set(key, { key, name: meter.name, unit: meter.unit });
  };
  for (const { charge, terms } of lines) {
    const price = charge.price === undefined ? undefined : terms.plan.prices[charge.price];
    if (price !== undefined) note(price.meter);
  }
  for (const { meter } of unclaimed) note(meter);
  return [...named].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, meter]) => meter);
}

function lineOf({ charge, terms, amount, correction }: Line, digits: number, version: 1 | 2): unknown {
  const textOf = ([v1, v2]: Texts): string => (version === 1 ? v1 : v2);
  const price = charge.price === undefined ? undefined : terms.plan.prices[charge.price];
  const quantity = correction === undefined ? charge.quantity : difference(correction.after, correction.before);
  const day = iso(correction?.periodStart ?? 0).slice(0, 10);
  const prefix: Texts = [`Adjustment of ${day}: `, `Adjustment for the period from ${day}: `];
  return {
    kind: correction === undefined ? charge.kind : "ADJUSTMENT",
    description: (correction === undefined ? "" : textOf(prefix)) + textOf(charge.description),
    meter: price?.meter ?? null,
    dimensions: (price?.where ?? []).map(({ dimension, value }) => ({ dimension, value })),
    quantity: plain(quantity),
    amount: fixed(amount, digits),
    plan: planOf(terms),
    price: charge.price ?? null,
    ...(charge.grantId !== undefined && { grantId: charge.grantId }),
    arithmetic: (correction?.steps ?? charge.steps).map((step) => {
      const isFlat = step.isLump && version === 1;
      return {
        quantity: plain(isFlat ? NOTHING : step.quantity),
        unitAmount: plain(isFlat ? NOTHING : step.unitAmount),
        flatAmount: plain(isFlat ? step.amount : step.flatAmount),
        amount: plain(step.amount),
        note: step.note && textOf(step.note),
      };
    }),
    adjusts:
      correction === undefined
        ? null
        : {
            invoiceId: correction.invoiceId,
            ...(version === 2 && { invoiceNumber: correction.invoiceNumber }),
            kind: charge.kind,
            periodStart: iso(correction.periodStart),
            quantityBefore: plain(correction.before),
            quantityAfter: plain(correction.after),
          },
  };
}

const difference = (a: Rational, b: Rational): Rational => total([a, { n: -b.n, d: b.d }]);

/** JSON with sorted keys and no whitespace: the verifier's own RFC 8785 for text, small integers, lists and objects. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(",")}}`;
}
