import fc from "fast-check";
import { expect, test } from "vitest";
import { Decimal, ZERO } from "#kernel/decimal.js";
import { runs } from "../../tests/support/effort.js";
import { type CreditGrant, createCreditAccount, type PeriodDraws, standingOf } from "./draw-down.js";

const grant = (id: string, amount: number, changes: Partial<CreditGrant> = {}): CreditGrant => ({
  ...{ id, seq: 1, amount: new Decimal(amount), priority: 0, expiresAt: null, drawn: ZERO, isVoided: false },
  ...changes,
});
const period = (): PeriodDraws => ({ uncovered: ZERO, held: [] });
const heldBy = ({ held }: PeriodDraws) => held.map(({ grantId, amount }) => [grantId, amount.toNumber()]);

test("draws by priority, then by earliest expiry, then the oldest first", () => {
  const account = createCreditAccount([
    grant("never", 1, { seq: 1 }),
    grant("late", 1, { seq: 2, expiresAt: 900 }),
    grant("younger", 1, { seq: 4, expiresAt: 500 }),
    grant("older", 1, { seq: 3, expiresAt: 500 }),
    grant("first", 1, { seq: 9, priority: -1 }),
  ]);
  const draws = account.change(period(), new Decimal(5), 100);
  expect(draws.map(({ grantId }) => grantId)).toEqual(["first", "older", "younger", "late", "never"]);
});

test("usage draws from what expires after its own time only", () => {
  const account = createCreditAccount([grant("a", 10, { expiresAt: 500 })]);
  const month = period();
  expect(account.change(month, new Decimal(3), 500)).toEqual([]);
  expect(month.uncovered.toNumber()).toBe(3);
  account.change(month, new Decimal(4), 499);
  expect(heldBy(month)).toEqual([["a", 4]]);
});

test("a fall first reduces what no grant covered, then returns to the grants drawn last", () => {
  const account = createCreditAccount([grant("a", 5, { priority: 1 }), grant("b", 5, { priority: 2 })]);
  const month = period();
  account.change(month, new Decimal(12), 0);
  expect(heldBy(month)).toEqual([
    ["a", 5],
    ["b", 5],
  ]);
  account.change(month, new Decimal(-5), 0);
  expect([month.uncovered.toNumber(), heldBy(month)]).toEqual([
    0,
    [
      ["a", 5],
      ["b", 2],
    ],
  ]);
  account.change(month, new Decimal(-4), 0);
  expect(heldBy(month)).toEqual([["a", 3]]);
});

test("what returns to a voided grant is not drawn again, and a grant that has expired is not voided", () => {
  const account = createCreditAccount([grant("a", 5), grant("old", 5, { expiresAt: 10, priority: 1 })]);
  const month = period();
  account.change(month, new Decimal(5), 0);
  expect([account.void("a", 20), account.void("a", 21), account.void("old", 10), account.void("none", 0)]).toEqual([
    ...[true, false, false, false],
  ]);
  account.change(month, new Decimal(-3), 0);
  account.change(month, new Decimal(2), 20);
  expect([month.uncovered.toNumber(), heldBy(month)]).toEqual([2, [["a", 2]]]);
  const a = account.grant("a");
  expect(a && standingOf(a, 20).voided.toNumber()).toBe(3);
});

test("a draw looks at what is left, not at all that was ever granted", () => {
  let looks = 0;
  const counted = (id: string, seq: number): CreditGrant => {
    const one = grant(id, 1, { seq, priority: (seq * 7) % 5 });
    const look = (): Decimal => {
      looks += 1;
      return new Decimal(1);
    };
    return Object.defineProperty(one, "amount", { get: look });
  };
  const many = Array.from({ length: 300 }, (_, seq) => counted(`g${seq}`, seq));
  const account = createCreditAccount(many);
  const month = period();
  for (let n = 0; n < many.length; n += 1) account.change(month, new Decimal(1), 0);
  expect([month.uncovered.toNumber(), month.held.length]).toEqual([0, many.length]);
  expect(looks).toBeLessThan(many.length * 20);
});

// An independent fold: every cent of a period's lines is an object of its own that knows who paid for it.

interface Cent {
  payer: string | undefined;
}
interface ModelGrant {
  readonly id: string;
  readonly seq: number;
  readonly priority: number;
  readonly expiresAt: number;
  readonly size: number;
  voidedAt: number | undefined;
  /** When it last paid for something, by period. */
  readonly lastPaid: Map<number, number>;
}

function simpleFold() {
  const grants: ModelGrant[] = [];
  const periods = new Map<number, Cent[]>();
  let clock = 0;
  const all = () => [...periods.values()].flat();
  const paidBy = (id: string) => all().filter(({ payer }) => payer === id).length;

  function rise(month: number, timeMs: number): void {
    const able = grants
      .filter((one) => one.voidedAt === undefined && one.expiresAt > timeMs && paidBy(one.id) < one.size)
      .sort((a, b) => a.priority - b.priority || a.expiresAt - b.expiresAt || a.seq - b.seq);
    clock += 1;
    able[0]?.lastPaid.set(month, clock);
    periods.set(month, [...(periods.get(month) ?? []), { payer: able[0]?.id }]);
  }

  function fall(month: number): void {
    const cents = periods.get(month) ?? [];
    const free = cents.findIndex(({ payer }) => payer === undefined);
    const lastPaid = (payer: string | undefined) => grants.find(({ id }) => id === payer)?.lastPaid.get(month) ?? 0;
    const latest = Math.max(...cents.map(({ payer }) => lastPaid(payer)));
    const gone = free === -1 ? cents.findIndex(({ payer }) => lastPaid(payer) === latest) : free;
    cents.splice(gone, 1);
  }

  return { grants, periods, paidBy, rise, fall, cents: (month: number) => periods.get(month) ?? [] };
}

const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("grant" as const),
      size: fc.integer({ min: 1, max: 8 }),
      priority: fc.integer({ min: -1, max: 1 }),
      expiresAt: fc.option(fc.integer({ min: 0, max: 20 }), { nil: null }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("void" as const), which: fc.nat(5), at: fc.nat(20) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("usage" as const),
      month: fc.nat(1),
      // A period's lines never fall below nothing.
      change: fc.integer({ min: -6, max: 6 }),
      time: fc.nat(20),
    }),
  },
);

test("equals a fold cent by cent; what is granted is drawn, expired, voided or available at any time", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const account = createCreditAccount([]);
      const months = [period(), period()];
      const model = simpleFold();
      for (const [index, one] of steps.entries()) {
        if (one.kind === "grant") {
          const id = `g${model.grants.length}`;
          const { size, priority, expiresAt } = one;
          account.add(grant(id, size, { seq: index, priority, expiresAt }));
          model.grants.push({
            ...{ id, seq: index, priority, size, expiresAt: expiresAt ?? Number.POSITIVE_INFINITY },
            ...{ voidedAt: undefined, lastPaid: new Map() },
          });
        } else if (one.kind === "void") {
          const meant = model.grants[one.which];
          account.void(`g${one.which}`, one.at);
          if (meant !== undefined && meant.voidedAt === undefined && meant.expiresAt > one.at) meant.voidedAt = one.at;
        } else {
          const month = months[one.month] ?? period();
          const size = model.cents(one.month).length;
          const change = Math.max(one.change, -size);
          account.change(month, new Decimal(change), one.time);
          for (let n = 0; n < change; n += 1) model.rise(one.month, one.time);
          for (let n = 0; n > change; n -= 1) model.fall(one.month);
        }
        for (const [index, month] of months.entries()) {
          const free = model.cents(index).filter(({ payer }) => payer === undefined).length;
          expect(month.uncovered.toNumber()).toBe(free);
          const held = month.held.reduce((sum, { amount }) => sum.plus(amount), ZERO).toNumber();
          expect(held + free).toBe(model.cents(index).length);
        }
        for (const one of model.grants) {
          const known = account.grant(one.id);
          expect(known?.drawn.toNumber()).toBe(model.paidBy(one.id));
          for (const at of [0, 10, 20]) {
            if (known === undefined) continue;
            const { drawn, expired, voided, available } = standingOf(known, at);
            expect(drawn.plus(expired).plus(voided).plus(available).eq(known.amount)).toBe(true);
          }
        }
      }
    }),
    { numRuns: runs(500) },
  );
});
