import { MINUTE_MS } from "#kernel/duration.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import { monotonicMs, nextTurn } from "#platform/lifecycle/time.js";
import { type BoundNeed, CountersUnavailable, type QuotaCounters } from "../counters/counters.js";
import type { BoundRows, HeldBound, RaisedBound } from "../store/bounds.js";
import { DatabaseUnreachable } from "../store/unreachable.js";
import { createBlockSizes } from "./block-sizes.js";

export type Bounds = ReturnType<typeof startBounds>;

export interface BoundsOptions {
  readonly counters: QuotaCounters;
  readonly rows: BoundRows;
  readonly onError: (error: unknown) => void;
  /** The pause between two turns of lowering. */
  readonly lowerEveryMs?: number;
}

/** What a tenant's admissions wait for. */
export interface BoundsWanted {
  readonly tenantId: string;
  readonly epoch: string;
  readonly needs: readonly BoundNeed[];
  /** How much longer than the reservation its bound may last, so that not each reservation extends a row. */
  readonly slackMs: number;
}

const LOWER_EVERY_MS = 1_000;
const LOOK_AT_HELD_EVERY_MS = 10 * MINUTE_MS;
const MOST_HOLDERS = 10_000;
/** Tenants that are looked at together, and how often in a turn. */
const TENANTS_PER_PART = 500;
const PARTS_PER_TURN = 4;

/**
 * Keeps what only the counters know covered by durable bounds. Raising writes the database first and then tells the counters,
 * which admit nothing beyond what they were told; lowering asks the counters first, which from then on refuse what was granted
 * earlier, and the database follows where nobody has raised the row meanwhile. So at any moment the row is at least what the
 * counters may admit, whoever stops between any two steps.
 */
export function startBounds(options: BoundsOptions) {
  const { counters, rows: durable } = options;
  const sizes = createBlockSizes();
  let waiting: Turn | undefined;
  let running = Promise.resolve();
  let heldLookedAt = Number.NEGATIVE_INFINITY;
  /** Tenants with rows that their counters may not have heard of. */
  const untold = new Set<string>();

  /** One statement at a time; what arrives during it shares the next one. */
  function join(): Turn {
    if (waiting !== undefined) return waiting;
    const rows = new Map<string, Wanted>();
    const before = running;
    const raised = (async () => {
      await before;
      await new Promise<void>(nextTurn);
      waiting = undefined;
      const all = [...rows.values()].map((row) => rowOf(row, sizes.next(row)));
      return { held: byLife(await durable.raise(all)), told: new Map<string, Promise<void>>() };
    })();
    running = raised.then(nothing, nothing);
    waiting = { rows, raised };
    return waiting;
  }

  async function raise({ tenantId, epoch, needs, slackMs }: BoundsWanted): Promise<void> {
    const { rows, raised } = join();
    for (const need of needs) {
      const key = `${lifeOf({ tenantId, epoch })} ${need.id}`;
      rows.set(key, merged(rows.get(key), { key, tenantId, epoch, ...need, together: need.amount, slackMs }));
    }
    try {
      const { held, told } = await raised;
      const life = lifeOf({ tenantId, epoch });
      const telling = told.get(life) ?? counters.grant(tenantId, epoch, held.get(life) ?? []);
      told.set(life, telling);
      await telling;
    } catch (error) {
      noteUntold(tenantId);
      throw error;
    }
  }

  function noteUntold(tenantId: string): void {
    if (untold.size < MOST_HOLDERS) untold.add(tenantId);
  }

  /** Bounds of a process that has ended, perhaps before it told the counters: nobody else would lower them. */
  async function noteHeld(): Promise<void> {
    if (monotonicMs() < heldLookedAt + LOOK_AT_HELD_EVERY_MS) return;
    const tenantIds = await durable.holders(MOST_HOLDERS);
    heldLookedAt = monotonicMs();
    for (const tenantId of tenantIds) noteUntold(tenantId);
  }

  /** The counters learn of rows that they may not have heard of, and can lower them. */
  async function tellUntold(): Promise<void> {
    const tenantIds = [...untold].slice(0, TENANTS_PER_PART);
    if (tenantIds.length === 0) return;
    for (const tenantId of tenantIds) untold.delete(tenantId);
    const held = await durable.heldBy(tenantIds).catch((error: unknown) => {
      tenantIds.forEach(noteUntold);
      throw error;
    });
    await tell(held);
    await counters.lookAt(tenantIds);
  }

  /** Those that do not answer are told another time. */
  async function tell(held: readonly HeldBound[]): Promise<void> {
    const lives = [...byLife(held).values()];
    await Promise.all(
      lives.map(async (rows) => {
        const [first] = rows;
        if (first === undefined) return;
        try {
          await counters.grant(first.tenantId, first.epoch, rows);
        } catch (error) {
          noteUntold(first.tenantId);
          if (!(error instanceof CountersUnavailable)) throw error;
        }
      }),
    );
  }

  async function lower(stopping?: AbortSignal): Promise<void> {
    await noteHeld();
    await tellUntold();
    for (let part = 0; part < PARTS_PER_TURN && !stopping?.aborted; part += 1) {
      const offered = await counters.lower(TENANTS_PER_PART);
      if (offered.length === 0) continue;
      const { lowered, held } = await durable.lower(offered);
      await counters.lowered(lowered);
      // Raised by a process that has not told the counters: they can lower it next time.
      await tell(held);
    }
  }

  const lowering = repeat({
    everyMs: options.lowerEveryMs ?? LOWER_EVERY_MS,
    first: "later",
    run: lower,
    onError(error) {
      if (!(error instanceof CountersUnavailable) && !(error instanceof DatabaseUnreachable)) options.onError(error);
    },
  });

  return {
    /** Raises bounds, first in the database, then in the counters. Requests that wait at the same time share a statement. */
    raise,
    /** Lowers what exceeds what is open now, instead of at the next turn. */
    lower: () => lower(),
    async stop(): Promise<void> {
      await lowering.stop();
      await running;
    },
  };
}

interface Turn {
  readonly rows: Map<string, Wanted>;
  /** What is granted, and what the counters have been told of it, by tenant and epoch. */
  readonly raised: Promise<{
    readonly held: ReadonlyMap<string, readonly HeldBound[]>;
    readonly told: Map<string, Promise<void>>;
  }>;
}

export interface Wanted extends BoundNeed {
  readonly key: string;
  readonly tenantId: string;
  readonly epoch: string;
  /** The amounts of all admissions that wait for it. */
  readonly together: bigint;
  readonly slackMs: number;
}

function merged(one: Wanted | undefined, other: Wanted): Wanted {
  if (one === undefined) return other;
  return {
    ...other,
    exposure: max(one.exposure, other.exposure),
    amount: max(one.amount, other.amount),
    together: one.together + other.together,
    until: Math.max(one.until, other.until),
    slackMs: Math.max(one.slackMs, other.slackMs),
    hardLimit: max(one.hardLimit, other.hardLimit),
    room: max(one.room, other.room),
  };
}

/** Covers all admissions that wait and a block, but where there is no room for them, only what the largest needs. */
function rowOf(
  { tenantId, epoch, id, exposure, amount, together, until, slackMs, room }: Wanted,
  block: bigint,
): RaisedBound {
  const bound = max(exposure + amount, min(exposure + together + block, room));
  return { tenantId, epoch, id, bound, expiresAt: until + slackMs };
}

const lifeOf = ({ tenantId, epoch }: { readonly tenantId: string; readonly epoch: string }): string =>
  `${tenantId} ${epoch}`;

function byLife(bounds: readonly HeldBound[]): ReadonlyMap<string, readonly HeldBound[]> {
  const groups = new Map<string, HeldBound[]>();
  for (const bound of bounds) {
    const group = groups.get(lifeOf(bound));
    if (group === undefined) groups.set(lifeOf(bound), [bound]);
    else group.push(bound);
  }
  return groups;
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const nothing = (): void => undefined;
