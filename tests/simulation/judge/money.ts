import type { PlanTerms } from "../terms/plans.js";
import type { SentEvent } from "../terms/requests.js";
import type { PriceTerms } from "../terms/terms.js";
import { type Asked, keyOf } from "./history.js";
import { centsOf, costOf } from "./prices.js";
import { isIn, isTakenBack, type Known, sampleBefore } from "./quotas.js";
import { isChargedBy, meterOf, periodOf, quantityOf } from "./usage.js";

/** Whether an admission exceeded a hard limit in money, as far as that is known for certain: see `judgeAdmissions`. */
export function judgeSpending(known: Known): string[] {
  const allowed = known.history.asked.filter(({ isAllowed }) => isAllowed === true);
  return allowed.flatMap((one) => {
    const plan = known.planOf(one.tenantId, periodOf(one.sentAt));
    if (plan.spend === undefined) return [];
    const least = plan.prices.reduce((sum, price) => sum + leastCost(known, allowed, one, plan, price), 0);
    if (least <= plan.spend.limit) return [];
    return [
      `${one.key} of ${one.tenantId} (${one.amount} ${one.meter}) was admitted to ${least} of ${plan.spend.limit} cents`,
    ];
  });
}

/**
 * The least that a line may have cost with all that was reserved, and the request, at the most expensive of the quantities that this may
 * come to: more usage may cost less.
 */
function leastCost(known: Known, allowed: readonly Asked[], one: Asked, plan: PlanTerms, price: PriceTerms): number {
  const { history, recorded } = known;
  const { tenantId, sentAt } = one;
  const answeredAt = one.answeredAt ?? sentAt;
  const period = periodOf(sentAt);
  const sample = sampleBefore(known, one);
  const decision = { history, answeredAt };
  const meter = meterOf(price);
  const isOurs = (event: SentEvent): boolean =>
    event.tenantId === tenantId && periodOf(event.time) === period && isChargedBy(plan, price, event);
  const inSample = new Set(
    recorded.flatMap((entry) => (!entry.isVoid && isIn(sample, entry) && isOurs(entry.event) ? [entry.event] : [])),
  );
  // What a wrong clock recorded may seem to come a month late.
  const counted = [...inSample].filter((event) => known.areClocksRight && !isTakenBack(event, decision));
  const least = quantityOf(meter, counted);
  const most = quantityOf(
    meter,
    [...history.events.values()].flatMap(({ event, sentAt: at }) => (at <= answeredAt && isOurs(event) ? [event] : [])),
  );

  const isAskedOf = ({ meter: of, amount }: Asked): boolean =>
    of === price.meter && isChargedBy(plan, price, { type: meter.type, amount });
  /** What an open reservation holds beside the sample: see `certainlyHeld` of lanes. */
  const heldBy = (other: Asked): number => {
    if (other.eventSentAt === undefined || other.eventSentAt > answeredAt) return other.amount;
    const event = history.events.get(keyOf({ tenantId, source: "sim", id: other.key }))?.event;
    if (event === undefined || !known.areClocksRight || isTakenBack(event, decision) || !isOurs(event)) return 0;
    return inSample.has(event) ? 0 : Math.min(other.amount, quantityOf(meter, [event]));
  };
  const reserved = allowed.filter(
    (other) =>
      other !== one &&
      other.tenantId === tenantId &&
      isAskedOf(other) &&
      (other.answeredAt ?? answeredAt) <= sentAt &&
      (other.releasedAt ?? Number.POSITIVE_INFINITY) > answeredAt &&
      (other.expiresAt ?? 0) > answeredAt,
  );
  const own = isAskedOf(one) ? one.amount : 0;
  const together = reserved.reduce((sum, other) => sum + heldBy(other), least + own);
  let found = Number.POSITIVE_INFINITY;
  for (let used = least; used <= most; used += 1)
    found = Math.min(found, highest(price, used, Math.max(used, together)));
  return found;
}

/** The highest amount of a line for a quantity between two, in cents. */
export function highest(price: PriceTerms, from: number, to: number): number {
  let most = 0;
  for (let quantity = from; quantity <= to; quantity += 1) most = Math.max(most, centsOf(costOf(price, quantity)));
  return most;
}

/** How much more of a meter, in a lane, fits into a limit in money; below 0: nothing, as it is exceeded. */
export function spendRoom(plan: PlanTerms, used: readonly SentEvent[], meterId: string, lane?: string): number {
  const limit = plan.spend?.limit ?? Number.POSITIVE_INFINITY;
  const costWith = (more: number): number =>
    plan.prices.reduce((sum, price) => {
      const meter = meterOf(price);
      const quantity = quantityOf(
        meter,
        used.filter((event) => isChargedBy(plan, price, event)),
      );
      const asked = { type: meter.type, amount: 0, ...(lane !== undefined && { lane }) };
      const isAsked = price.meter === meterId && isChargedBy(plan, price, asked);
      return sum + highest(price, quantity, quantity + (isAsked ? more : 0));
    }, 0);
  let room = -1;
  while (room < MOST_ROOM && costWith(room + 1) <= limit) room += 1;
  return room;
}

/** More than any other limit leaves. */
export const MOST_ROOM = 200;
