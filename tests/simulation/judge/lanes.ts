import type { SentEvent } from "../terms/requests.js";
import { LANES, laneLimit, laneOf, OTHER_LANES } from "../terms/terms.js";
import { type Asked, keyOf } from "./history.js";
import type { Judged } from "./judged.js";
import { isIn, isTakenBack, type Known, sampleBefore } from "./quotas.js";
import { countedOf, recordedOf } from "./recorded.js";
import { periodOf } from "./usage.js";

/** Whether an admission exceeded the limit of its lane, as far as that is known for certain: see `judgeAdmissions`. */
export function judgeAdmissionsToLanes(known: Known): string[] {
  const allowed = known.history.asked.filter(({ isAllowed, meter }) => isAllowed === true && meter === LANES.meter);
  return allowed.flatMap((one) => {
    const lane = laneOf(one.amount);
    const held = certainlyHeld(known, allowed, one, lane);
    if (held <= laneLimit(lane)) return [];
    return [
      `${one.key} of ${one.tenantId} (${one.amount}) was admitted to ${held} of ${laneLimit(lane)} in lane ${lane}`,
    ];
  });
}

/** What counted in the lane when the request was admitted, with it. */
function certainlyHeld(known: Known, allowed: readonly Asked[], one: Asked, lane: string): number {
  const { history, recorded } = known;
  const { tenantId, sentAt } = one;
  const answeredAt = one.answeredAt ?? sentAt;
  const period = periodOf(sentAt);
  const sample = sampleBefore(known, one);
  const decision = { history, answeredAt };
  const inSample = new Set(recorded.flatMap((entry) => (!entry.isVoid && isIn(sample, entry) ? [entry.event] : [])));

  /** What an open reservation holds beside the sample. */
  const heldBy = ({ key, amount, eventSentAt }: Asked): number => {
    if (eventSentAt === undefined || eventSentAt > answeredAt) return amount;
    // It may be settled by now, by usage of another lane.
    const event = history.events.get(keyOf({ tenantId, source: "sim", id: key }))?.event;
    if (event === undefined || isTakenBack(event, decision) || !isOf(event, tenantId, period, lane)) return 0;
    return inSample.has(event) ? 0 : Math.min(amount, event.amount);
  };
  const reserved = allowed.filter(
    (other) =>
      other !== one &&
      other.tenantId === tenantId &&
      laneOf(other.amount) === lane &&
      (other.answeredAt ?? answeredAt) <= sentAt &&
      (other.releasedAt ?? Number.POSITIVE_INFINITY) > answeredAt &&
      (other.expiresAt ?? 0) > answeredAt,
  );
  const voided = recorded.filter(
    ({ event, ...entry }) =>
      entry.isVoid &&
      !isIn(sample, { event, ...entry }) &&
      inSample.has(event) &&
      isOf(event, tenantId, period, lane) &&
      isTakenBack(event, decision),
  );
  const used = sample?.lanes.get([tenantId, period, lane].join(" ")) ?? 0;
  const without = voided.reduce((sum, { event }) => sum + event.amount, 0);
  return reserved.reduce((sum, other) => sum + heldBy(other), used - without + one.amount);
}

const isOf = (event: SentEvent, tenantId: string, period: number, lane: string): boolean =>
  event.tenantId === tenantId &&
  event.type === LANES.type &&
  periodOf(event.time) === period &&
  laneOf(event.amount) === lane;

/**
 * What must be true when everything is processed: the usage of each lane is what clients sent, and so is that of lanes which a limit or
 * a price names, and of those that no price does.
 */
export async function judgeLanesAtRest(judged: Judged, withLanes: boolean): Promise<string[]> {
  // What seems to come a month late counts in no limit any more.
  if (!judged.areClocksRight()) return [];
  const wanted = new Map<string, number>();
  const events = countedOf(await recordedOf(judged)).filter(({ type }) => type === LANES.type);
  for (const { tenantId, time, amount } of withLanes ? events : []) {
    const key = [tenantId, periodOf(time), laneOf(amount)].join(" ");
    wanted.set(key, (wanted.get(key) ?? 0) + amount);
  }
  const { lanes: found, named } = judged.history.samples.at(-1) ?? {
    lanes: new Map<string, number>(),
    named: new Map(),
  };
  const wrong = [...new Set([...wanted.keys(), ...found.keys()])].flatMap((key) => {
    const [was, is] = [found.get(key) ?? 0, wanted.get(key) ?? 0];
    return was === is ? [] : [`quota has ${was} of lane ${key}, clients sent ${is}`];
  });
  const periods = new Set(events.map(({ tenantId, time }) => `${tenantId} ${periodOf(time)}`));
  for (const key of new Set([...periods, ...named.keys()])) {
    const [tenantId = "", period = ""] = key.split(" ");
    const ofPeriod = events.filter((event) => event.tenantId === tenantId && periodOf(event.time) === Number(period));
    const is = scopesOf(judged, tenantId, withLanes).map((isWithin) =>
      ofPeriod.reduce((sum, { amount }) => (isWithin(laneOf(amount)) ? sum + amount : sum), 0),
    );
    const texts = [named.get(key) ?? [], is].map((some) => textOf(some.filter((total: number) => total !== 0)));
    if (texts[0] !== texts[1]) wrong.push(`quota has ${texts[0]} of named lanes of ${key}, clients sent ${texts[1]}`);
  }
  return wrong;
}

const textOf = (totals: readonly number[]): string => [...totals].sort((a, b) => a - b).join(" and ") || "nothing";

/** What is totalled as a whole: of the plans that a tenant has and will have. */
function scopesOf({ planOf }: Judged, tenantId: string, withLanes: boolean): ((lane: string) => boolean)[] {
  const { prices } = planOf(tenantId, Number.POSITIVE_INFINITY);
  const priced = prices.flatMap(({ lane }) => (lane === undefined || lane === OTHER_LANES ? [] : [lane]));
  const named = new Set([...(withLanes ? [LANES.named] : []), ...priced]);
  const hasOthers = prices.some(({ lane }) => lane === OTHER_LANES);
  return [
    ...[...named].map((name) => (lane: string) => lane === name),
    ...(hasOthers ? [(lane: string) => !priced.includes(lane)] : []),
  ];
}
