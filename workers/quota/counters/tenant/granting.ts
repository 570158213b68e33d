import type { Amount, BoundGrant } from "../counters.js";
import { type Bound, boundOf, type Covered, loweredTo, requestBucketMs } from "./bounds.js";
import type { State } from "./state.js";
import { usedBetween } from "./window.js";

/** Takes over bounds that are durable; those of another epoch, or that were lowered since, are refused. */
export function grant(state: State, epoch: string, grants: readonly BoundGrant[]): void {
  if (epoch !== state.epoch) return;
  const { bounds } = state;
  pruneBounds(state);
  for (const { id, bound, until, version } of grants) {
    const held = bounds.get(id);
    if (held !== undefined && version <= held.version) continue;
    const recent = held?.recent ?? 0n;
    bounds.set(id, { covers: boundOf(id), bound, until, version, durable: bound, durableUntil: until, recent });
    noteBounds(state);
  }
}

function noteBounds({ journal }: State): void {
  if (journal !== undefined) journal.bounds = true;
}

/** Drops what has ended: bounds of requests, and what was lost. */
export function pruneBounds(state: State): void {
  const { bounds, now, lost, journal } = state;
  for (const [id, { covers, until }] of bounds) {
    if (covers.kind !== "requests" || until > now) continue;
    bounds.delete(id);
    noteBounds(state);
  }
  if (!lost.some(({ until }) => until <= now)) return;
  state.lost = lost.filter(({ until }) => until > now);
  if (journal !== undefined) journal.lost = true;
}

/** From now on admissions need no more than these bounds, whatever was granted before. */
export function lower(state: State): readonly BoundGrant[] {
  const { bounds, now } = state;
  const lowered: BoundGrant[] = [];
  for (const [id, held] of bounds) {
    if (held.durableUntil <= now) held.durable = 0n;
    const target = loweredTo(held, exposureOf(state, held.covers), lastEndOf(state, held));
    held.recent = 0n;
    if (target === undefined) continue;
    Object.assign(held, target);
    lowered.push({ id, ...target, version: held.version });
    noteBounds(state);
  }
  return lowered;
}

/** As `lowersAgainAt`, if `lower` would do nothing now; undefined: it may do something. */
export function lowersLater(state: State, now: number): number | undefined {
  if (state.reservations.nextExpiry() <= now) return undefined;
  for (const held of state.bounds.values()) {
    if (held.durableUntil <= now) return undefined;
    if (loweredTo(held, exposureOf(state, held.covers), lastEndOf(state, held)) !== undefined) return undefined;
  }
  const at = lowersAgainAt(state);
  if (at <= now) return undefined;
  for (const held of state.bounds.values()) held.recent = 0n;
  return at;
}

/** When `lower` may find more, if nothing else comes; 0: at once, on whichever clock; Infinity: never. */
export function lowersAgainAt(state: State): number {
  const { bounds, now, reservations } = state;
  let at = Number.POSITIVE_INFINITY;
  for (const { covers, durable, durableUntil } of bounds.values()) {
    if (durable === 0n || durableUntil <= now) continue;
    if (durable > exposureOf(state, covers)) return 0;
    if (covers.kind === "meter") at = Math.min(at, reservations.nextExpiry());
  }
  return at;
}

/** The database followed, and its rows have later versions. */
export function lowered(state: State, done: readonly (BoundGrant & { readonly nextVersion: number })[]): void {
  for (const { id, bound, until, version, nextVersion } of done) {
    const held = state.bounds.get(id);
    if (held?.version !== version) continue;
    held.version = nextVersion;
    // Of the row, which may exceed what was lowered meanwhile: until it ends it is looked at.
    held.durable = bound;
    held.durableUntil = until;
    noteBounds(state);
  }
}

/** What only the counters know of what a bound covers. */
function exposureOf({ reservations, counters }: State, covers: Covered): Amount {
  if (covers.kind === "meter") return reservations.open(covers.meter);
  const { start } = covers;
  const counter = counters.get(covers.counter);
  if (counter === undefined) return 0n;
  if (counter.kind === "period") return counter.periods.get(start) ?? 0n;
  return usedBetween(counter, start, start + requestBucketMs(counter.windowMs));
}

const lastEndOf = ({ reservations }: State, { covers, until }: Bound): number =>
  covers.kind === "meter" ? reservations.lastEnd(covers.meter) : until;
