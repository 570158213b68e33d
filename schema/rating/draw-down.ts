import { Decimal, ZERO } from "#kernel/decimal.js";

/** A grant of prepaid credits, and what all periods together have drawn from it. */
export interface CreditGrant {
  readonly id: string;
  /** Its position in the ledger. */
  readonly seq: number;
  readonly amount: Decimal;
  /** Lower ones are drawn first. */
  readonly priority: number;
  /** Usage from this moment on draws nothing from it, epoch ms; null: it does not expire. */
  readonly expiresAt: number | null;
  drawn: Decimal;
  isVoided: boolean;
}

/** What became of one period's rounded usage lines: their sum is `uncovered` and what is held. */
export interface PeriodDraws {
  /** What no grant covered. */
  uncovered: Decimal;
  /** What it drew, each grant once: the one drawn last comes last. */
  readonly held: { readonly grantId: string; amount: Decimal }[];
}

/** Drawn from a grant; negative: given back. */
export interface Draw {
  readonly grantId: string;
  readonly amount: Decimal;
}

/** A tenant's grants. What changes happens in the order of the ledger, and nothing of it is ever looked at again. */
export interface CreditAccount {
  grant(id: string): CreditGrant | undefined;
  /** Adds a grant, from which changes draw from now on; false: there is one with its id. */
  add(grant: CreditGrant): boolean;
  /**
   * Voids a grant at a moment of the tenant's clock: nothing is drawn from it any more, and what returns to it counts as voided. False, and
   * without effect: it is unknown, voided, or expired by then.
   */
  void(id: string, atMs: number): boolean;
  /**
   * A change of the sum of a period's rounded usage lines by usage at `timeMs`. A rise draws from the grants that expire after that time, by
   * priority, then by earliest expiry, then the oldest first; what they do not cover stays uncovered. A fall first reduces what is
   * uncovered, then returns to the grants that the period drew from last.
   */
  change(period: PeriodDraws, amount: Decimal, timeMs: number): readonly Draw[];
}

export function createCreditAccount(grants: Iterable<CreditGrant>): CreditAccount {
  const byId = new Map<string, CreditGrant>();
  const inOrder: CreditGrant[] = [];
  for (const grant of grants) insert(grant);

  function insert(grant: CreditGrant): void {
    byId.set(grant.id, grant);
    const at = inOrder.findIndex((other) => isDrawnBefore(grant, other));
    inOrder.splice(at === -1 ? inOrder.length : at, 0, grant);
  }

  function draw(period: PeriodDraws, amount: Decimal, timeMs: number): Draw[] {
    const draws: Draw[] = [];
    // Below zero where lines of negative amounts are.
    const ofUncovered = Decimal.min(Decimal.max(period.uncovered.neg(), ZERO), amount);
    period.uncovered = period.uncovered.plus(ofUncovered);
    let left = amount.minus(ofUncovered);
    for (const grant of inOrder) {
      if (left.isZero()) break;
      if (grant.isVoided || (grant.expiresAt !== null && grant.expiresAt <= timeMs)) continue;
      const taken = Decimal.min(grant.amount.minus(grant.drawn), left);
      if (taken.isZero()) continue;
      grant.drawn = grant.drawn.plus(taken);
      hold(period, grant.id, taken);
      draws.push({ grantId: grant.id, amount: taken });
      left = left.minus(taken);
    }
    period.uncovered = period.uncovered.plus(left);
    return draws;
  }

  function giveBack(period: PeriodDraws, amount: Decimal): Draw[] {
    const draws: Draw[] = [];
    const ofUncovered = Decimal.min(Decimal.max(period.uncovered, ZERO), amount);
    period.uncovered = period.uncovered.minus(ofUncovered);
    let left = amount.minus(ofUncovered);
    for (let last = period.held.at(-1); last !== undefined && !left.isZero(); last = period.held.at(-1)) {
      const given = Decimal.min(last.amount, left);
      const grant = byId.get(last.grantId);
      if (grant === undefined) throw new Error(`a period drew from an unknown grant: ${last.grantId}`);
      grant.drawn = grant.drawn.minus(given);
      last.amount = last.amount.minus(given);
      if (last.amount.isZero()) period.held.pop();
      draws.push({ grantId: grant.id, amount: given.neg() });
      left = left.minus(given);
    }
    period.uncovered = period.uncovered.minus(left);
    return draws;
  }

  return {
    grant: (id) => byId.get(id),
    add(grant) {
      if (byId.has(grant.id)) return false;
      insert(grant);
      return true;
    },
    void(id, atMs) {
      const grant = byId.get(id);
      if (grant === undefined || grant.isVoided || expiryOf(grant) <= atMs) return false;
      grant.isVoided = true;
      return true;
    },
    change: (period, amount, timeMs) =>
      amount.isNegative() ? giveBack(period, amount.neg()) : draw(period, amount, timeMs),
  };
}

/** Adds to what a period holds of a grant, which is now the one drawn last. */
function hold({ held }: PeriodDraws, grantId: string, amount: Decimal): void {
  const at = held.findLastIndex((one) => one.grantId === grantId);
  const known = held[at];
  if (known !== undefined) held.splice(at, 1);
  held.push({ grantId, amount: known === undefined ? amount : known.amount.plus(amount) });
}

function isDrawnBefore(a: CreditGrant, b: CreditGrant): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  const [expiryOfA, expiryOfB] = [expiryOf(a), expiryOf(b)];
  return expiryOfA === expiryOfB ? a.seq < b.seq : expiryOfA < expiryOfB;
}

const expiryOf = ({ expiresAt }: CreditGrant): number => expiresAt ?? Number.POSITIVE_INFINITY;

/** A grant as it stands at some moment: the three add up to the parts of its amount that are not available, beside `available`. */
export interface GrantStanding {
  readonly drawn: Decimal;
  readonly expired: Decimal;
  readonly voided: Decimal;
  readonly available: Decimal;
}

/** What became of a grant's amount by a moment of the tenant's clock: a void comes before an expiry, or it would have had no effect. */
export function standingOf(
  { amount, drawn, expiresAt, isVoided }: Omit<CreditGrant, "id" | "seq" | "priority">,
  atMs: number,
): GrantStanding {
  const rest = amount.minus(drawn);
  const none = { drawn, expired: ZERO, voided: ZERO, available: ZERO };
  if (isVoided) return { ...none, voided: rest };
  if (expiresAt !== null && expiresAt <= atMs) return { ...none, expired: rest };
  return { ...none, available: rest };
}
