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
  for (const grant of grants) byId.set(grant.id, grant);
  /** Those with something left, in the order in which they are drawn. */
  const open = [...byId.values()].filter(isOpen).sort(byTurn);

  /** Where a grant is among the open ones, or belongs. */
  function placeOf(grant: CreditGrant): number {
    let [from, to] = [0, open.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      const other = open[middle];
      if (other !== undefined && byTurn(other, grant) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** After a change of a grant: it is among the open ones if it is one. */
  function refile(grant: CreditGrant): void {
    const place = placeOf(grant);
    const isFiled = open[place] === grant;
    if (isFiled !== isOpen(grant)) open.splice(place, isFiled ? 1 : 0, ...(isFiled ? [] : [grant]));
  }

  function draw(period: PeriodDraws, amount: Decimal, timeMs: number): Draw[] {
    const draws: Draw[] = [];
    // Below zero where lines of negative amounts are.
    const ofUncovered = Decimal.min(Decimal.max(period.uncovered.neg(), ZERO), amount);
    period.uncovered = period.uncovered.plus(ofUncovered);
    let left = amount.minus(ofUncovered);
    for (let place = 0; place < open.length && !left.isZero(); ) {
      const grant = open[place];
      if (grant === undefined) break;
      if (expiryOf(grant) <= timeMs) {
        place += 1;
        continue;
      }
      const taken = Decimal.min(grant.amount.minus(grant.drawn), left);
      grant.drawn = grant.drawn.plus(taken);
      if (!isOpen(grant)) open.splice(place, 1);
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
      refile(grant);
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
      byId.set(grant.id, grant);
      refile(grant);
      return true;
    },
    void(id, atMs) {
      const grant = byId.get(id);
      if (grant === undefined || grant.isVoided || expiryOf(grant) <= atMs) return false;
      grant.isVoided = true;
      refile(grant);
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

const isOpen = ({ isVoided, drawn, amount }: CreditGrant): boolean => !isVoided && drawn.lt(amount);

/** Below 0: `a` is drawn first. */
function byTurn(a: CreditGrant, b: CreditGrant): number {
  if (a.priority !== b.priority) return a.priority - b.priority;
  const [expiryOfA, expiryOfB] = [expiryOf(a), expiryOf(b)];
  return expiryOfA === expiryOfB ? a.seq - b.seq : expiryOfA < expiryOfB ? -1 : 1;
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
