import { nextTurn } from "#platform/lifecycle/time.js";
import type {
  BoundNeed,
  CounterCharge,
  CounterReading,
  CounterWindow,
  DecideOutcome,
  DecideRequest,
} from "../counters.js";

type BatchSpec = readonly [
  counter: string,
  isPeriod: number,
  bucket: number,
  window: number,
  hardLimit: number,
  settles: number,
  bounded: number,
];
/** A tenant's part of a batch, as the script reads it: test clock or -1, the specs it uses (from 1), flattened items. */
type BatchGroup = readonly [now: number, specs: readonly number[], items: readonly (number | string)[]];

interface Batch {
  /** In the order of the groups. */
  readonly tenantIds: readonly string[];
  readonly specs: readonly BatchSpec[];
  readonly groups: readonly BatchGroup[];
}

/** Calls the store; returns the script's numbers, or undefined when its clock jumped and nothing was decided. */
type AskStore = (batch: Batch) => Promise<Float64Array | undefined>;

/** Maximum decisions per script call: it blocks Redis, so it must be short. */
const MOST_AT_ONCE = 64;

interface Waiting {
  readonly request: DecideRequest;
  readonly resolve: (outcome: DecideOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Batches in flight: requests that arrive meanwhile share the next one, so batches grow under load. */
const WAVES = 2;

/**
 * Batches requests that arrive in one turn of the event loop, or while earlier batches are in flight, if `together` returns the
 * same value for their tenants. Requests of one tenant are decided in order of arrival.
 */
export function createDecisionBatch(ask: AskStore, together?: (tenantId: string) => number) {
  let waiting: Waiting[] = [];
  let waves = 0;

  function flush(): void {
    if (waiting.length === 0 || waves >= WAVES) return;
    const all = waiting;
    waiting = [];
    waves += 1;
    const batches: Promise<void>[] = [];
    for (const some of together === undefined ? [all] : partitioned(all, together)) {
      for (let at = 0; at < some.length; at += MOST_AT_ONCE)
        batches.push(decideTogether(some.slice(at, at + MOST_AT_ONCE)));
    }
    // They never reject: each settles its own requests.
    void Promise.all(batches).then(() => {
      waves -= 1;
      // After the requesters of the last batch had a turn to send more.
      nextTurn(flush);
    });
  }

  async function decideTogether(batch: readonly Waiting[]): Promise<void> {
    try {
      const { specs, groups } = sorted(batch);
      const numbers = await ask({
        tenantIds: groups.map(({ tenantId }) => tenantId),
        specs: specs.map(specOf),
        groups: groups.map(({ now, specs: own, items }) => [now, own, items]),
      });
      const reader = numbers === undefined ? undefined : readerOf(numbers);
      for (const { members } of groups)
        for (const one of members) one.resolve(reader === undefined ? UNKNOWN : reader.outcome(one.request));
    } catch (error) {
      for (const one of batch) one.reject(error);
      if (isReplyError(error)) return;
      // The store does not answer: fail everything queued behind it too; otherwise each would wait out its own timeout.
      const all = waiting;
      waiting = [];
      for (const one of all) one.reject(error);
    }
  }

  return {
    decide(request: DecideRequest): Promise<DecideOutcome> {
      return new Promise((resolve, reject) => {
        if (waiting.push({ request, resolve, reject }) === 1) nextTurn(flush);
      });
    },
  };
}

/** Script errors concern that call alone. ioredis exports the class without a type. */
export const isReplyError = (error: unknown): error is Error => error instanceof Error && error.name === "ReplyError";

function partitioned(all: readonly Waiting[], together: (tenantId: string) => number): Iterable<Waiting[]> {
  const parts = new Map<number, Waiting[]>();
  for (const one of all) {
    const part = together(one.request.tenantId);
    const others = parts.get(part);
    if (others === undefined) parts.set(part, [one]);
    else others.push(one);
  }
  return parts.values();
}

const UNKNOWN: DecideOutcome = { kind: "unknown" };

interface Group {
  readonly tenantId: string;
  readonly now: number;
  readonly specs: number[];
  readonly items: (number | string)[];
  readonly members: Waiting[];
}

/** Many tenants share a plan, so a batch has few specs. */
function sorted(batch: readonly Waiting[]): { specs: readonly CounterCharge[]; groups: readonly Group[] } {
  const specs: CounterCharge[] = [];
  const latest = new Map<string, Group>();
  const groups: Group[] = [];
  for (const one of batch) {
    const { tenantId, mode, ttlMs, reservation, charges, now = -1 } = one.request;
    const numbers = charges.map((charge) => specIn(specs, charge));
    let group = latest.get(tenantId);
    if (group === undefined || group.now !== now || numbers.some((number) => contradicts(group, specs, number))) {
      group = { tenantId, now, specs: [], items: [], members: [] };
      latest.set(tenantId, group);
      groups.push(group);
    }
    group.members.push(one);
    group.items.push(mode === "consume" ? 1 : 0, ttlMs, reservation, charges.length);
    for (const [index, number] of numbers.entries()) {
      if (!group.specs.includes(number)) group.specs.push(number);
      group.items.push(number, charges[index]?.amount ?? 0);
    }
  }
  return { specs, groups };
}

/** The number, from 1, of a charge's spec. */
function specIn(specs: CounterCharge[], charge: CounterCharge): number {
  const known = specs.findIndex((other) => isSameSpec(other, charge));
  return known === -1 ? specs.push(charge) : known + 1;
}

/** Whether the group has the same counter with another spec: a period or a limit that changed between two requests. */
const contradicts = (group: Group | undefined, specs: readonly CounterCharge[], number: number): boolean =>
  group?.specs.some((own) => own !== number && specs[own - 1]?.counter === specs[number - 1]?.counter) ?? false;

function isSameSpec(a: CounterCharge, b: CounterCharge): boolean {
  return (
    a.counter === b.counter &&
    a.hardLimit === b.hardLimit &&
    a.settles === b.settles &&
    a.bounded === b.bounded &&
    isSameWindow(a.window, b.window)
  );
}

function isSameWindow(a: CounterWindow, b: CounterWindow): boolean {
  if (a.kind === "period") return b.kind === "period" && a.start === b.start && a.end === b.end;
  return b.kind === "sliding" && a.windowMs === b.windowMs && a.bucketMs === b.bucketMs;
}

function specOf({ counter, window, hardLimit, settles, bounded }: CounterCharge): BatchSpec {
  const [isPeriod, bucket, length] =
    window.kind === "period" ? [1, window.start, window.end] : [0, window.bucketMs, window.windowMs];
  return [counter, isPeriod, bucket, length, hardLimit ?? -1, settles ? 1 : 0, bounded ? 1 : 0];
}

/** Reads outcomes sequentially, in the order in which the items were sent. */
function readerOf(numbers: Float64Array) {
  // The first is the store's time.
  let at = 1;
  function next(): number {
    const number = numbers[at];
    if (number === undefined) throw new TypeError("the counters' response is too short");
    at += 1;
    return number;
  }

  function need({ charges }: DecideRequest): BoundNeed {
    const charge = charges[next()];
    if (charge === undefined) throw new TypeError("a bound for an unknown charge");
    return { counter: charge.counter, bucketStart: next(), exposure: next(), amount: charge.amount, until: next() };
  }

  function reading(): CounterReading {
    return {
      used: next(),
      reserved: next(),
      blockedUntil: next(),
      resetAt: next(),
      retryAt: next(),
      denies: next() === 1,
    };
  }

  return {
    outcome(request: DecideRequest): DecideOutcome {
      const kind = next();
      if (kind === 0) return UNKNOWN;
      if (kind === 1) return { kind: "bounds", needs: Array.from({ length: next() }, () => need(request)) };
      const [allowed, repeated, now, expiresAt] = [next() === 1, next() === 1, next(), next()];
      const readings = request.charges.map(reading);
      return { kind: "decided", allowed, repeated, now, expiresAt: expiresAt === 0 ? null : expiresAt, readings };
    },
  };
}
