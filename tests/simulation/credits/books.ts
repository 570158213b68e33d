import { costOfUsage, periodOf } from "../judge/usage.js";
import type { PlanOf } from "../terms/plans.js";
import type { SentEvent } from "../terms/requests.js";
import { STARTS_AT } from "../terms/terms.js";

/** An entry of the ledger that concerns one tenant. */
export type BookEntry =
  | { readonly kind: "usage"; readonly seq: number; readonly event: SentEvent; readonly isVoid: boolean }
  | { readonly kind: "tick"; readonly seq: number; readonly at: number }
  | {
      readonly kind: "grant";
      readonly seq: number;
      readonly at: number;
      readonly id: string;
      readonly cents: number;
      readonly priority: number;
      readonly expiresAt: number | null;
    }
  | { readonly kind: "void"; readonly seq: number; readonly at: number; readonly id: string };

export interface BookedGrant {
  readonly id: string;
  readonly seq: number;
  readonly cents: number;
  readonly priority: number;
  readonly ends: number;
  readonly expiresAt: number | null;
  drawn: number;
  isVoided: boolean;
  /** What was left of it when it was voided. */
  leftAtVoid: number;
}

interface PeriodBook {
  uncovered: number;
  /** What pays for it; who was drawn from last comes last. */
  paid: { readonly grant: BookedGrant; readonly cents: number }[];
}

export type Books = ReturnType<typeof openBooks>;

/**
 * What became of a tenant's credits, in cents, by docs/credits.md alone: all usage is priced anew at each entry. The product is not looked at.
 */
export function openBooks(planOf: PlanOf, tenantId: string) {
  const grants: BookedGrant[] = [];
  const usage = new Map<number, SentEvent[]>();
  const periods = new Map<number, PeriodBook>();
  /** The start of the first period that has not begun; undefined: there is no grant yet. */
  let next: number | undefined;

  const usageOf = (period: number): SentEvent[] => {
    const known = usage.get(period) ?? [];
    usage.set(period, known);
    return known;
  };
  const cost = (period: number): number => costOfUsage(planOf(tenantId, period), usageOf(period));

  /** A period that began before the first grant: what was used until then is not covered. */
  function bookOf(period: number): PeriodBook {
    const known = periods.get(period) ?? { uncovered: cost(period), paid: [] };
    periods.set(period, known);
    return known;
  }

  function begin(at: number): void {
    while (next !== undefined && next <= at) {
      const period = next;
      next = periodAfter(period);
      const due = costOfUsage(planOf(tenantId, period), []);
      const book = { uncovered: cost(period) - due, paid: [] };
      periods.set(period, book);
      change(book, due, period);
    }
  }

  function change(book: PeriodBook, cents: number, time: number): void {
    if (cents > 0) book.uncovered += drawn(book, cents, time);
    if (cents < 0) returned(book, -cents);
  }

  /** The answer is what no grant covers. */
  function drawn(book: PeriodBook, cents: number, time: number): number {
    let left = cents;
    const open = grants.filter(({ isVoided, ends }) => !isVoided && ends > time);
    for (const grant of open.sort((a, b) => a.priority - b.priority || compare(a.ends, b.ends) || a.seq - b.seq)) {
      const taken = Math.min(left, grant.cents - grant.drawn);
      if (taken === 0) continue;
      grant.drawn += taken;
      left -= taken;
      const before = book.paid.find((one) => one.grant === grant)?.cents ?? 0;
      book.paid = [...book.paid.filter((one) => one.grant !== grant), { grant, cents: before + taken }];
    }
    return left;
  }

  function returned(book: PeriodBook, cents: number): void {
    const uncovered = Math.min(book.uncovered, cents);
    book.uncovered -= uncovered;
    let left = cents - uncovered;
    while (left > 0) {
      const last = book.paid.pop();
      if (last === undefined) throw new Error(`more is returned to ${tenantId} than was drawn`);
      const given = Math.min(left, last.cents);
      last.grant.drawn -= given;
      left -= given;
      if (given < last.cents) book.paid.push({ grant: last.grant, cents: last.cents - given });
    }
  }

  function takeUsage(event: SentEvent, isVoid: boolean): void {
    const period = periodOf(event.time);
    begin(period);
    // Before it changes.
    const book = next === undefined ? undefined : bookOf(period);
    const before = cost(period);
    const known = usageOf(period);
    if (isVoid) known.splice(known.indexOf(event), 1);
    else known.push(event);
    if (book !== undefined) change(book, cost(period) - before, event.time);
  }

  return {
    take(entry: BookEntry): void {
      if (entry.kind === "usage") {
        takeUsage(entry.event, entry.isVoid);
        return;
      }
      if (entry.kind === "grant" && next === undefined) next = periodAfter(periodOf(Math.max(entry.at, STARTS_AT)));
      else begin(entry.at);
      if (entry.kind === "tick") return;
      const known = grants.find(({ id }) => id === entry.id);
      if (entry.kind === "grant") {
        if (known !== undefined) return;
        const { id, seq, cents, priority, expiresAt } = entry;
        const ends = expiresAt ?? Number.POSITIVE_INFINITY;
        grants.push({ id, seq, cents, priority, expiresAt, ends, drawn: 0, isVoided: false, leftAtVoid: 0 });
      } else if (known !== undefined && !known.isVoided && known.ends > entry.at) {
        known.isVoided = true;
        known.leftAtVoid = known.cents - known.drawn;
      }
    },
    grants: (): readonly BookedGrant[] => grants,
    /** What pays for a period now, by grant. */
    paidFor: (period: number): ReadonlyMap<string, number> =>
      new Map((periods.get(period)?.paid ?? []).map(({ grant, cents }) => [grant.id, cents])),
    /** What counts in a period now, in the ledger's order. */
    usageOf,
  };
}

/** Also of two that never come. */
const compare = (a: number, b: number): number => (a === b ? 0 : a - b);

export function periodAfter(period: number): number {
  const at = new Date(period);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1);
}
