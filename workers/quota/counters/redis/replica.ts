import { monotonicMs } from "#platform/lifecycle/time.js";
import { appended } from "../appended.js";
import { CountersUnavailable, type TenantLoad } from "../counters.js";
import { createTenant, openTenant, type TenantState } from "../tenant/tenant.js";
import {
  type Commit,
  type CommitAnswer,
  isAbsence,
  isOf,
  numberOf,
  reading,
  stateToken,
  type Version,
  versionText,
  writing,
} from "./commit.js";

/** What is done to a tenant's state. It is done again when the store turns out to have another state. */
export interface Step<T> {
  /** When, on the tenant's test clock; undefined: now on Redis' clock; null: time does not matter. */
  readonly at: number | undefined | null;
  /** How much work it is, in operations. */
  readonly work: number;
  /** Nobody asked for it. */
  readonly isUpkeep?: true;
  run(tenant: Tenant, now: number): T;
}

export interface Tenant {
  /** Undefined: the store has none. */
  state(): TenantState | undefined;
  /** Names the state, or this very absence of one. */
  token(): string;
  create(load: TenantLoad): void;
}

interface Waiting {
  readonly step: Step<unknown>;
  result: unknown;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Of a tenant's head, its reservations, and the log of changes. */
export type TenantKeys = readonly [head: string, reservations: string, log: string];

export type Replica = ReturnType<typeof createReplica>;

/** Operations in one commit: alone, and while others wait, behind whose answers they are. */
const WORK_PER_COMMIT = { alone: 128, shared: 48 };
/** Ended reservations in one commit. */
const ENDED_PER_COMMIT = 500;
/** Commits in a row that other processes may win. */
const MOST_TRIES = 128;
/** Readings in slices in a row during which too much changed. */
const MOST_SCANS = 5;
const RENEW_EVERY_MS = 3_600_000;

/**
 * This process's copy of one tenant's state. Steps run on the copy; what they changed is stored if the store still has the
 * version that the copy is of, and only then the results are given. Otherwise the copy catches up, and the steps run again.
 */
export function createReplica(tenantId: string, keys: TenantKeys) {
  let state: TenantState | undefined;
  /** Of the copy; "": nothing was read. */
  let version = "";
  /** The version's number. */
  let number = 0;
  /** The version that the commit in flight stores. */
  let next: Version | undefined;
  let nextText = "";
  /** Whether the copy is only partly of its version, so that nothing may run on it. */
  let isPartial = false;
  /** The store has only the absence of this state. */
  let isNew = false;
  let storedPosition: number | undefined;
  let renewedAt = Number.NEGATIVE_INFINITY;
  let usedAt = monotonicMs();
  let tries = 0;
  let waiting: Waiting[] = [];
  /** Steps that ran on the copy and are not stored. */
  let ran: Waiting[] = [];
  /** How many of both were there when the commit in flight was sent. */
  let asked = 0;
  let preparedAt = 0;
  let scans = 0;
  let mostWork = WORK_PER_COMMIT.alone;

  const tenant: Tenant = {
    state: () => state,
    token: () => (state === undefined ? version : stateToken(version, state.epoch())),
    create(load) {
      state = createTenant(load, 0);
      isNew = true;
    },
  };

  /** Steps that ran will run again. */
  function runAgain(): void {
    waiting = [...ran, ...waiting];
    ran = [];
  }

  function at(text: string): void {
    version = text;
    number = numberOf(text);
  }

  function forget(): void {
    runAgain();
    state = undefined;
    at("");
    isPartial = false;
    isNew = false;
    storedPosition = undefined;
  }

  function runWaiting(now: number, most: number): void {
    let done = 0;
    let work = 0;
    for (const one of waiting) {
      if (done >= most || work >= mostWork) break;
      const at = one.step.at ?? now;
      const moves = one.step.at !== null && (one.step.at !== undefined || state?.hasOwnClock() === false);
      if (moves && state?.advance(at, ENDED_PER_COMMIT) === false) break;
      one.result = one.step.run(tenant, at);
      done += 1;
      work += one.step.work;
    }
    if (done === 0) return;
    const some = done === waiting.length ? waiting : waiting.slice(0, done);
    waiting = done === waiting.length ? [] : waiting.slice(done);
    ran = ran.length === 0 ? some : [...ran, ...some];
  }

  function resolveRan(): void {
    const done = ran;
    ran = [];
    tries = 0;
    scans = 0;
    for (const { resolve, result } of done) resolve(result);
  }

  function stored(): void {
    isPartial = false;
    if (next !== undefined) {
      version = nextText;
      ({ number } = next);
      state?.stored();
      storedPosition = state?.seq();
      isNew = false;
    }
    resolveRan();
  }

  /** What was asked before the store answered is unknown to it, as of that answer. */
  function missing(absence: string): void {
    forget();
    at(absence);
    runWaiting(preparedAt, asked);
    if (state === undefined) resolveRan();
  }

  function changed(answer: CommitAnswer & { kind: "changed" }): void {
    runAgain();
    if (state === undefined) throw new TypeError("changes of a state that this process does not have");
    state.rollback();
    state.applyHead(answer.head);
    for (const [key, packed] of answer.reservations) state.applyReservation(key, packed);
    at(answer.version);
    isPartial = answer.more;
    storedPosition = state.seq();
  }

  function opened(answer: CommitAnswer & { kind: "all" | "scan" }): void {
    forget();
    at(answer.version);
    isPartial = answer.kind === "scan";
    if (isAbsence(version) || answer.head === undefined) return;
    state = openTenant(answer.head, answer.reservations);
    storedPosition = state.seq();
  }

  /**
   * What only reads is answered by the state that the store has just told: asking once more, it might find changes of another
   * process for ever.
   */
  function answerReads(): void {
    if (state === undefined || isPartial) return;
    runWaiting(preparedAt, asked);
    if (state.changes() === undefined) resolveRan();
  }

  /** Rejects all that wait, and drops the copy. */
  function fail(error: unknown): void {
    forget();
    tries = 0;
    scans = 0;
    const all = waiting;
    waiting = [];
    for (const { reject } of all) reject(error);
  }

  return {
    tenantId,
    keys,
    usedAt: (): number => usedAt,
    isWaiting: (): boolean => waiting.length + ran.length > 0,
    /** Whether it has counters of single combinations. */
    hasCombinations: (): boolean => state?.hasCombinations() ?? false,
    /** Whether its time is a test clock. */
    hasOwnClock: (): boolean => state?.hasOwnClock() ?? false,
    run<T>(step: Step<T>): Promise<T> {
      if (step.isUpkeep !== true) usedAt = monotonicMs();
      return new Promise<T>((resolve, reject) => {
        const one = { step, result: undefined, resolve: resolve as (result: unknown) => void, reject };
        waiting = appended(waiting, one);
      });
    },
    /** Runs what waits, and says what to ask of the store for it. `now` is on Redis' clock. */
    prepare(incarnation: string, now: number, isShared: boolean): Commit {
      mostWork = isShared ? WORK_PER_COMMIT.shared : WORK_PER_COMMIT.alone;
      next = undefined;
      preparedAt = now;
      if (!isOf(version, incarnation)) forget();
      if (version !== "" && !isPartial) runWaiting(now, Number.POSITIVE_INFINITY);
      asked = waiting.length + ran.length;
      const operations = ran.reduce((sum, { step }) => sum + step.work, 1);
      const isKnown = version !== "" && !isPartial;
      const changes = isKnown ? (isNew ? state?.everything() : state?.changes()) : undefined;
      if (changes === undefined || state === undefined) return reading(version, operations);
      const renews = isNew || monotonicMs() - renewedAt > RENEW_EVERY_MS;
      if (renews) renewedAt = monotonicMs();
      next = { incarnation, epoch: state.epoch(), number: isNew ? 1 : number + 1 };
      nextText = versionText(next);
      const position = isNew || state.seq() !== storedPosition ? state.seq() : undefined;
      return writing({ expected: version, version: nextText, changes, position, renews, operations });
    },
    /** When its bounds may be lowered, if not now; undefined: the copy does not tell. */
    lowersAgainAt(now: number): number | undefined {
      const isQuiet = waiting.length + ran.length === 0 && !isPartial;
      return isQuiet ? state?.lowersLater(now) : undefined;
    },
    /** "again": nothing is known of the store, or it is of another incarnation. True: a state with bounds was stored. */
    settle(answer: Exclude<CommitAnswer, { kind: "other" }> | { readonly kind: "again" }): boolean {
      if (answer.kind === "scan") scans += 1;
      if ((answer.kind !== "stored" && tries >= MOST_TRIES) || scans > MOST_SCANS) {
        fail(new CountersUnavailable("too many others change the tenant's counters"));
        return false;
      }
      tries += 1;
      const isStored = answer.kind === "stored" && next !== undefined && state?.hasBounds() === true;
      if (answer.kind === "stored") stored();
      else if (answer.kind === "missing") missing(answer.version);
      else if (answer.kind === "changed") changed(answer);
      else if (answer.kind === "again") forget();
      else opened(answer);
      if (answer.kind === "changed" || answer.kind === "all") answerReads();
      return isStored;
    },
    /** Whether its head is to be read in slices. */
    wantsHead: (): boolean => state === undefined,
    /** A slice of the head of an answer "scan", of which what others belong to comes first (`storing.ts`). */
    addHead(slice: readonly (readonly [string, string])[]): void {
      if (state === undefined) state = openTenant(slice, []);
      else state.applyHead(slice);
      storedPosition = state.seq();
    },
    /** A slice of the reservations of an answer "scan". */
    add(reservations: ReadonlyMap<string, string>): void {
      for (const [key, packed] of reservations) state?.applyReservation(key, packed);
    },
    fail,
  };
}
