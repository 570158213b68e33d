import type { Clock } from "#kernel/clock.js";
import { isOutOfTime, sqlStateOf } from "#kernel/database-time.js";
import { hasCode, MetrlyError } from "#kernel/errors.js";
import type { Database } from "#platform/database/database.js";
import { prismaAdapter } from "#platform/database/prisma.js";
import { type Prisma, PrismaClient } from "#prisma/tenancy/generated/client.js";
import { type Change, createChange } from "./change.js";
import { createTurns } from "./in-turn.js";
import { enqueueHeartbeat, oldestUnpublished, type PublishedState, republishMissing } from "./publishing.js";
import { createReads } from "./reads.js";

export type TenancyStore = ReturnType<typeof createTenancyStore>;

export interface StoreOptions {
  readonly database: Database;
  readonly clock: Clock;
  /** Of usage.received: a meter's backfill is announced in each. */
  readonly partitions: number;
  /** Called after each commit that enqueued something. */
  readonly onCommitted: () => void;
}

const MAX_WAITING_CHANGES = 500;
const MAX_WAIT_MS = 10_000;
const CHANGE_TIMEOUT_MS = 10_000;

/** Tenancy's database, known only to `store/`. */
export function createTenancyStore({ database, clock, partitions, onCommitted }: StoreOptions) {
  const prisma = new PrismaClient({ adapter: prismaAdapter(database) });
  const inTurn = createTurns(MAX_WAITING_CHANGES);
  let committed = 0;

  async function locked<T>(
    timeout: number,
    work: (tx: Prisma.TransactionClient, head: number) => Promise<T>,
    client = prisma,
  ): Promise<T> {
    try {
      return await inTurn(() =>
        client.$transaction(async (tx) => work(tx, await lockHead(tx)), { maxWait: MAX_WAIT_MS, timeout }),
      );
    } catch (error) {
      if (isBusy(error)) throw new MetrlyError("BUSY", "Too many concurrent changes; try again");
      throw error;
    }
  }

  return {
    /**
     * Runs `work` in one transaction that holds the head lock, so that versions commit in order and the outbox has them in that
     * order too. Propagates exceptions, with nothing written; throws BUSY when the lock is not available.
     */
    async change<T>(actor: string, work: (change: Change) => Promise<T>): Promise<T> {
      const result = await locked(CHANGE_TIMEOUT_MS, async (tx, head) => {
        const change = createChange(tx, head, actor, clock.now(), partitions);
        const done = await work(change);
        if (change.saved() > head) await tx.tenancyHead.update({ where: { id: 1 }, data: { version: change.saved() } });
        return { done, version: change.saved() };
      });
      committed = Math.max(committed, result.version);
      onCommitted();
      return result.done;
    },
    /** The highest version that a change of this process has written, or found when it repeated an earlier one. */
    committed: () => committed,
    /** Stores reported uses; older ones than known have no effect. */
    async noteKeyUses(uses: readonly { readonly keyId: string; readonly at: number }[]): Promise<void> {
      await database.pool.query(
        `UPDATE api_key k SET last_used_at = GREATEST(k.last_used_at, u.at)
         FROM unnest($1::text[], $2::timestamptz[]) AS u (id, at) WHERE k.id = u.id`,
        [uses.map(({ keyId }) => keyId), uses.map(({ at }) => new Date(at))],
      );
    },
    /** Enqueues a heartbeat with the version of everything enqueued before it. */
    async heartbeat(): Promise<void> {
      await locked(CHANGE_TIMEOUT_MS, (tx, head) => enqueueHeartbeat(tx, head, clock.now()));
      onCommitted();
    },
    /** Enqueues every state that the topic lacks, or has before an older one; returns their number. */
    async republishMissing(isPublished: (state: PublishedState) => boolean): Promise<number> {
      const patient = new PrismaClient({ adapter: prismaAdapter(database.under("rebuild")) });
      try {
        const missing = await locked(REPUBLISH_TIMEOUT_MS, (tx) => republishMissing(tx, isPublished), patient);
        if (missing > 0) onCommitted();
        return missing;
      } finally {
        await patient.$disconnect();
      }
    },
    /** The time of the oldest unpublished change, epoch ms; undefined: none. */
    oldestUnpublished: () => oldestUnpublished(prisma),
    ...createReads(database, prisma),
    stop: () => prisma.$disconnect(),
  };
}

const REPUBLISH_TIMEOUT_MS = 120_000;

const TRANSACTION_NOT_TO_BE_HAD = "P2028";
/** The wait for a lock exceeded its limit (SQLSTATE `lock_not_available`). */
const NO_LOCK = "55P03";

/** No connection or no head lock in time, or a transaction that was too slow. */
const isBusy = (error: unknown): boolean =>
  hasCode(error, TRANSACTION_NOT_TO_BE_HAD) || sqlStateOf(error) === NO_LOCK || isOutOfTime(error);

/** Prisma has no row locks. */
async function lockHead(tx: Prisma.TransactionClient): Promise<number> {
  const rows = await tx.$queryRaw<{ version: number }[]>`SELECT version FROM tenancy_head WHERE id = 1 FOR UPDATE`;
  const [head] = rows;
  if (head === undefined) throw new Error("tenancy_head has no row");
  return head.version;
}
