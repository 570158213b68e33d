import type {
  Amount,
  BoundGrant,
  LostBound,
  Operation,
  Outcome,
  PeriodTotal,
  SettledEvent,
  SettleOutcome,
  SettleRequest,
  TenantLoad,
} from "../counters.js";
import {
  type Bound,
  loweredTo,
  meterBound,
  meterOfBound,
  requestBucket,
  requestBucketMs,
  requestBucketOf,
} from "./bounds.js";
import { boundNeeds, type Involved, judge, type Request, read, retryOf, type View } from "./decide.js";
import {
  type Meta,
  openBounds,
  openCounter,
  openLost,
  openMeta,
  openReservation,
  packBounds,
  packCounter,
  packLost,
  packMeta,
  packReservation,
} from "./packing.js";
import { createReservations, type Reservation } from "./reservations.js";
import {
  add,
  type Counter,
  createCounter,
  prune,
  type SlidingCounter,
  setPeriod,
  takeBack,
  usedBetween,
} from "./window.js";

/** What a store keeps of a change: fields of the head and packed reservations by key; null: removed. */
export interface TenantChanges {
  readonly head: ReadonlyMap<string, string | null>;
  readonly reservations: ReadonlyMap<string, string | null>;
}

export type TenantState = ReturnType<typeof assemble>;

export function createTenant(load: TenantLoad, now: number): TenantState {
  const state = assemble(
    {
      epoch: load.epoch,
      seq: load.seq,
      now,
      serial: 0,
      hasOwnClock: load.hasOwnClock,
      lost: load.lost.filter(({ until }) => until > now),
    },
    [],
  );
  state.load(load);
  return state;
}

/** A state from what `takeChanges` and `everything` returned. Throws on another format. */
export function openTenant(
  head: ReadonlyMap<string, string>,
  reservations: Iterable<readonly [string, string]>,
): TenantState {
  const opened: [string, Reservation][] = [];
  for (const [key, packed] of reservations) opened.push([key, openReservation(packed)]);
  const state = assemble({ epoch: "", seq: 0, now: 0, serial: 0, hasOwnClock: false, lost: [] }, opened);
  state.applyHead(head, true);
  return state;
}

interface Start extends Meta {
  readonly lost: readonly LostBound[];
}

/**
 * One tenant's counters, reservations and bounds, and all that may happen to them. Synchronous; each call is bounded, and does
 * nothing or all of its work. Its time never goes backwards.
 */
function assemble(start: Start, opened: readonly (readonly [string, Reservation])[]) {
  let { epoch, seq, now, serial, hasOwnClock } = start;
  let lost = [...start.lost];
  const counters = new Map<string, Counter>();
  const reservations = createReservations(opened);
  let bounds = new Map<string, Bound>();
  const dirty = { meta: false, bounds: false, lost: start.lost.length > 0, counters: new Set<string>() };
  /** What reservations were before the changes that are not known to be stored. */
  let before = new Map<string, Reservation | undefined>();
  let changed = new Set<string>();

  const view: View & { now: number; lost: readonly LostBound[] } = {
    get now() {
      return now;
    },
    get lost() {
      return lost;
    },
    reservations,
    bound: (id) => bounds.get(id),
  };

  function setReservation(key: string, next: Reservation | undefined): void {
    if (!before.has(key)) before.set(key, reservations.get(key));
    changed.add(key);
    if (next === undefined) reservations.remove(key);
    else reservations.set(key, next);
  }

  function pruneBounds(): void {
    for (const [id, { until }] of bounds) {
      if (id.startsWith("r|") && until <= now) {
        bounds.delete(id);
        dirty.bounds = true;
      }
    }
    if (!lost.some(({ until }) => until <= now)) return;
    lost = lost.filter(({ until }) => until > now);
    dirty.lost = true;
  }

  function advance(to: number, most: number): boolean {
    if (to > now) {
      now = to;
      if (lost.length > 0) pruneBounds();
    }
    for (let ended = 0; ended < most; ended += 1) {
      const key = reservations.nextDue(now);
      if (key === undefined) return true;
      const found = reservations.get(key);
      if (found === undefined || found.expiresAt > now) continue;
      if (found.open) free(found);
      setReservation(key, undefined);
    }
    return reservations.nextExpiry() > now;
  }

  /** Takes an open reservation out of the short windows that hold it. */
  function free(reservation: Reservation): void {
    if (reservation.meter === null) return;
    for (const [id, counter] of counters) {
      if (counter.kind !== "admission" || meterOf(id) !== reservation.meter || isOlder(reservation, counter)) continue;
      takeBack(counter, reservation.admittedAt, 0n, reservation.amount);
      dirty.counters.add(id);
    }
  }

  function involve({ charges }: Request): readonly Involved[] | undefined {
    const involved: Involved[] = [];
    for (const charge of charges) {
      const counter = counters.get(charge.counter);
      if (counter === undefined) return undefined;
      if (counter.kind !== "period") prune(counter, now);
      involved.push({ charge, counter });
    }
    return involved;
  }

  function decide(request: Request, maxKeys: number): Outcome {
    const involved = involve(request);
    if (involved === undefined) return { kind: "unknown" };
    const consumes = request.kind === "consume";
    const held = consumes ? reservations.get(request.key) : undefined;
    if (held !== undefined) {
      if (held.content !== request.content) return { kind: "conflict", held: held.content };
      return { ...ADMITTED, repeated: true, now, expiresAt: held.expiresAt, readings: readAdmitted(involved) };
    }
    const judged = judge(involved, view);
    if (!judged.allowed || !consumes) {
      const retryAt = judged.allowed ? null : retryOf(involved, view);
      return { kind: "decided", ...judged, repeated: false, now, expiresAt: null, retryAt };
    }
    if (reservations.size() >= maxKeys) return { kind: "full", most: maxKeys };
    const expiresAt = now + request.ttlMs;
    const needs = boundNeeds(involved, view, expiresAt);
    if (needs.length > 0) return { kind: "bounds", epoch, needs };
    admit(request, involved, expiresAt);
    return { ...ADMITTED, repeated: false, now, expiresAt, readings: readAdmitted(involved) };
  }

  const readAdmitted = (involved: readonly Involved[]) =>
    involved.map((one) => ({ ...read(one, view), denies: false }));

  function admit({ key, content, meter }: Request, involved: readonly Involved[], expiresAt: number): void {
    serial += 1;
    dirty.meta = true;
    const reserved = new Set<string>();
    for (const { charge, counter } of involved) {
      const isRequest = charge.meter === null;
      if (counter.kind === "period") {
        if (isRequest && charge.window.kind === "period")
          setPeriod(counter, charge.window.start, (counter.periods.get(charge.window.start) ?? 0n) + charge.amount);
      } else if (isRequest) add(counter, now, charge.amount, 0n, now);
      else if (counter.kind === "admission") add(counter, now, 0n, charge.amount, now);
      if (isRequest || counter.kind === "admission") dirty.counters.add(charge.counter);
      const id = isRequest ? requestBucket(charge, now).id : meterBound(charge.meter);
      const bound = bounds.get(id);
      if (bound !== undefined && !reserved.has(id)) bound.recent += charge.amount;
      reserved.add(id);
    }
    const amount = involved.find(({ charge }) => charge.meter !== null)?.charge.amount ?? 0n;
    setReservation(key, { expiresAt, admittedAt: now, serial, open: true, content, meter, amount });
  }

  /** Gives back an open reservation and the requests that it consumed, and forgets its key. */
  function release(key: string): boolean {
    const found = reservations.get(key);
    if (found?.open !== true) return false;
    free(found);
    for (const [id, counter] of counters) {
      if (meterOf(id) !== null || isOlder(found, counter)) continue;
      if (counter.kind === "period") giveBackInPeriod(counter.periods, found.admittedAt);
      else takeBack(counter, found.admittedAt, ONE_REQUEST, 0n);
      dirty.counters.add(id);
    }
    setReservation(key, undefined);
    return true;
  }

  /** A reservation is settled by usage of its meter; other usage counts by its own time. */
  function settleEvent(event: SettledEvent): void {
    const held = event.key === undefined ? undefined : reservations.get(event.key);
    const settled = held?.open === true && held.meter !== null && event.meters.includes(held.meter) ? held : undefined;
    if (settled !== undefined && event.key !== undefined) {
      free(settled);
      setReservation(event.key, { ...settled, open: false });
    }
    for (const { counter: id, amount, at } of event.charges) {
      const counter = counters.get(id);
      if (counter === undefined || counter.kind === "period") continue;
      const isHeld =
        settled !== undefined &&
        counter.kind === "admission" &&
        meterOf(id) === settled.meter &&
        !isOlder(settled, counter);
      add(counter, isHeld ? settled.admittedAt : at, amount, 0n, now);
      dirty.counters.add(id);
    }
  }

  /** What only the counters know of what a bound covers. */
  function exposureOf(id: string): Amount {
    const meter = meterOfBound(id);
    if (meter !== undefined) return reservations.open(meter);
    const { window, start } = requestBucketOf(id);
    const counter = counters.get(`|${window}`);
    if (counter === undefined) return 0n;
    if (counter.kind === "period") return counter.periods.get(start) ?? 0n;
    return usedBetween(counter, start, start + requestBucketMs(counter.windowMs));
  }

  function lastEndOf(id: string, held: Bound): number {
    const meter = meterOfBound(id);
    return meter === undefined ? held.until : reservations.lastEnd(meter);
  }

  /** Usage that follows does not reach the others. What is known of requests is nowhere else, and no usage concerns it. */
  function dropAllBut(ids: readonly string[]): void {
    for (const id of counters.keys()) {
      if (ids.includes(id) || meterOf(id) === null) continue;
      counters.delete(id);
      dirty.counters.add(id);
    }
  }

  function setTotals(totals: readonly PeriodTotal[]): void {
    for (const { counter: id, periodStart, total } of totals) {
      const counter = counters.get(id);
      if (counter?.kind !== "period") continue;
      setPeriod(counter, periodStart, total);
      dirty.counters.add(id);
    }
  }

  function loadCounter({ counter: id, window, blockedUntil, usage }: TenantLoad["counters"][number]): void {
    const meter = meterOf(id);
    const holdsReservations = window.kind === "admission" && meter !== null;
    const counter = createCounter(window, blockedUntil, holdsReservations ? 0 : serial + 1);
    for (const { at, used } of usage) {
      if (counter.kind === "period") setPeriod(counter, at, (counter.periods.get(at) ?? 0n) + used);
      else add(counter, at, used, 0n, now);
    }
    if (holdsReservations && counter.kind !== "period") holdReservations(counter, meter);
    counters.set(id, counter);
    dirty.counters.add(id);
  }

  /** A short window that comes into force holds what was reserved in it before. */
  function holdReservations(counter: SlidingCounter, meter: string | null): void {
    for (const one of reservations.values())
      if (one.open && one.meter === meter) add(counter, one.admittedAt, 0n, one.amount, now);
  }

  const fields = (ids: Iterable<string>, all: boolean): Map<string, string | null> => {
    const head = new Map<string, string | null>();
    const any = dirty.meta || dirty.bounds || dirty.lost || dirty.counters.size > 0 || changed.size > 0;
    if (all || any) head.set("m", packMeta({ epoch, seq, now, serial, hasOwnClock }));
    if (all || dirty.bounds) head.set("b", packBounds(bounds));
    if (all || dirty.lost) head.set("l", packLost(lost));
    for (const id of ids) {
      const counter = counters.get(id);
      head.set(`c:${id}`, counter === undefined ? null : packCounter(counter));
    }
    return head;
  };

  function isClean(): void {
    dirty.meta = false;
    dirty.bounds = false;
    dirty.lost = false;
    dirty.counters.clear();
  }

  return {
    get epoch(): string {
      return epoch;
    },
    /** Whether its time moves with its operations only. */
    get hasOwnClock(): boolean {
      return hasOwnClock;
    },
    /** The ledger position up to which usage is settled here. */
    get seq(): number {
      return seq;
    },
    /** Ends at most `most` due reservations; true: none is due any more. Before `execute` and `settle`. */
    advance,
    nextExpiry: (): number => reservations.nextExpiry(),
    execute(operation: Operation, at: number, maxKeys: number): Outcome {
      advance(at, 0);
      if (operation.kind !== "release") return decide(operation, maxKeys);
      return { kind: "released", released: release(operation.key) };
    },
    /** Whether everything that counts is in the database: nothing reserved, no requests, nothing lost, no bound. */
    isIdle(): boolean {
      if (reservations.size() > 0 || lost.length > 0) return false;
      for (const { durable, until } of bounds.values()) if (durable > 0n && until > now) return false;
      for (const [id, counter] of counters) {
        if (counter.kind !== "period") {
          prune(counter, now);
          if (counter.entries.length > 0) return false;
        } else if (meterOf(id) === null && counter.periods.size > 0) return false;
      }
      return true;
    },
    /** Adds the counters that are missing; nothing where the load is of another position, since its usage would not fit. */
    load(load: TenantLoad): void {
      if (load.seq !== seq) return;
      for (const one of load.counters) if (!counters.has(one.counter)) loadCounter(one);
    },
    settle(request: SettleRequest, at: number): SettleOutcome {
      if (seq >= request.seq) return "applied";
      // A part of it, settled by another process: repeating all of it would count that part twice.
      if (seq !== request.previousSeq) return "behind";
      advance(at, 0);
      seq = request.seq;
      dirty.meta = true;
      dropAllBut(request.inForce);
      for (const event of request.events) settleEvent(event);
      setTotals(request.totals);
      return "applied";
    },
    /** Takes over used amounts of a later position, and what is reserved stays reserved. */
    repair(load: TenantLoad): void {
      if (load.seq <= seq) return;
      seq = load.seq;
      dirty.meta = true;
      dropAllBut(load.counters.map(({ counter }) => counter));
      for (const { counter: id, usage } of load.counters) {
        const counter = counters.get(id);
        if (counter === undefined || meterOf(id) === null) continue;
        if (counter.kind === "period") for (const { at, used } of usage) setPeriod(counter, at, used);
        else replaceUsed(counter, usage, now);
        dirty.counters.add(id);
      }
    },
    correct(at: number, totals: readonly PeriodTotal[]): boolean {
      if (seq !== at) return false;
      setTotals(totals);
      return true;
    },
    grant(of: string, grants: readonly BoundGrant[]): void {
      if (of !== epoch) return;
      pruneBounds();
      for (const { id, bound, until, version } of grants) {
        const held = bounds.get(id);
        if (held !== undefined && version <= held.version) continue;
        bounds.set(id, { bound, until, version, durable: bound, recent: held?.recent ?? 0n });
        dirty.bounds = true;
      }
    },
    /** From now on admissions need no more than these bounds, whatever was granted before. */
    lower(at: number): readonly BoundGrant[] {
      advance(at, 0);
      const lowered: BoundGrant[] = [];
      for (const [id, held] of bounds) {
        if (held.until <= now) held.durable = 0n;
        const target = loweredTo(held, exposureOf(id), lastEndOf(id, held));
        held.recent = 0n;
        if (target === undefined) continue;
        Object.assign(held, target);
        lowered.push({ id, ...target, version: held.version });
        dirty.bounds = true;
      }
      return lowered;
    },
    /** When `lower` may find more, if nothing else comes; Infinity: never. */
    lowersAgainAt(): number {
      let at = Number.POSITIVE_INFINITY;
      for (const [id, { durable, until }] of bounds) {
        if (durable === 0n || until <= now) continue;
        if (durable > exposureOf(id)) return now;
        if (meterOfBound(id) !== undefined) at = Math.min(at, reservations.nextExpiry());
      }
      return at;
    },
    /** The database followed, and its rows have later versions. */
    lowered(done: readonly (BoundGrant & { readonly nextVersion: number })[]): void {
      for (const { id, bound, version, nextVersion } of done) {
        const held = bounds.get(id);
        if (held?.version !== version) continue;
        held.version = nextVersion;
        held.durable = bound;
        dirty.bounds = true;
      }
    },
    /** The changes since the last call; undefined: none. */
    takeChanges(): TenantChanges | undefined {
      const head = fields(dirty.counters, false);
      if (head.size === 0) return undefined;
      const packed = new Map<string, string | null>();
      for (const key of changed) {
        const held = reservations.get(key);
        packed.set(key, held === undefined ? null : packReservation(held));
      }
      isClean();
      changed = new Set();
      return { head, reservations: packed };
    },
    /** The changes taken so far are stored. */
    stored(): void {
      if (before.size > 0) before = new Map();
    },
    /** Nothing stores this state: what changed is of no interest. */
    discardChanges(): void {
      isClean();
      if (before.size === 0) return;
      before = new Map();
      changed = new Set();
    },
    /** Takes back the reservations of all changes that are not stored; the head follows with `applyHead`. */
    rollback(): void {
      for (const [key, held] of before) {
        if (held === undefined) reservations.remove(key);
        else reservations.set(key, held);
      }
      before = new Map();
      changed = new Set();
      isClean();
    },
    /** Replaces the head, or overlays changed fields. */
    applyHead(head: ReadonlyMap<string, string | null>, whole: boolean): void {
      if (whole) {
        counters.clear();
        bounds = new Map();
        lost = [];
      }
      for (const [name, packed] of head) {
        if (name.startsWith("c:")) {
          if (packed === null) counters.delete(name.slice(2));
          else counters.set(name.slice(2), openCounter(packed));
        } else if (packed === null) continue;
        else if (name === "m") ({ epoch, seq, now, serial, hasOwnClock } = openMeta(packed));
        else if (name === "b") bounds = openBounds(packed);
        else if (name === "l") lost = openLost(packed);
      }
      isClean();
    },
    applyReservation(key: string, packed: string | null): void {
      if (packed === null) {
        reservations.remove(key);
        return;
      }
      const opened = openReservation(packed);
      reservations.set(key, opened);
      const bound = opened.open && opened.meter !== null ? bounds.get(meterBound(opened.meter)) : undefined;
      if (bound !== undefined) bound.recent += opened.amount;
    },
    /** The whole state, as changes of an empty one. */
    everything(): {
      readonly head: ReadonlyMap<string, string | null>;
      readonly reservations: Iterable<readonly [string, string]>;
    } {
      return { head: fields(counters.keys(), true), reservations: packAll(reservations.entries()) };
    },
  };
}

const ADMITTED = { kind: "decided", allowed: true, deniedByLoss: false, retryAt: null } as const;

const ONE_REQUEST: Amount = 10n ** 12n;

const isOlder = ({ serial }: Reservation, { sinceSerial }: Counter): boolean => serial < sinceSerial;

/** The meter of a counter's id; null: requests. */
function meterOf(counterId: string): string | null {
  const meter = counterId.slice(0, counterId.indexOf("|"));
  return meter === "" ? null : meter;
}

function giveBackInPeriod(periods: Map<number, Amount>, admittedAt: number): void {
  const start = Math.max(...[...periods.keys()].filter((one) => one <= admittedAt));
  const used = periods.get(start);
  if (used !== undefined) periods.set(start, used - ONE_REQUEST);
}

/** Puts the database's usage in the place of what was used; what is reserved stays. */
function replaceUsed(counter: SlidingCounter, usage: TenantLoad["counters"][number]["usage"], now: number): void {
  for (const entry of counter.entries) entry.used = 0n;
  counter.used = 0n;
  for (const { at, used } of usage) add(counter, at, used, 0n, now);
}

function* packAll(entries: Iterable<readonly [string, Reservation]>): Iterable<readonly [string, string]> {
  for (const [key, one] of entries) yield [key, packReservation(one)];
}
