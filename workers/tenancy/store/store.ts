import type { Clock } from "#kernel/clock.js";
import { sqlStateOf } from "#kernel/database-time.js";
import { MetrlyError } from "#kernel/errors.js";
import type { Database } from "#platform/database/database.js";
import { prismaAdapter } from "#platform/database/prisma.js";
import { Prisma, PrismaClient } from "#prisma/tenancy/generated/client.js";
import { auditRecordedV1 } from "#schema/events/audit-recorded.v1.js";
import type { ApiKeyState, MeterState, PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { type Change, createChange } from "./change.js";
import { createTurns } from "./in-turn.js";
import { enqueueHeartbeat, oldestUnpublished, type PublishedState, republishMissing } from "./publishing.js";
import { apiKeyState, meterState, planParts, planState, tenantParts, tenantState } from "./rows.js";

/** One entry of the audit log. `before` and `after` are states without secrets. */
export interface AuditRecord {
  readonly id: number;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface ServiceAudit {
  readonly position: number;
  readonly entry: Readonly<ReturnType<typeof auditRecordedV1.parse>>;
}

/** A page of a list in a fixed order: at most `take` entries after the position `after`. */
export interface PageRequest {
  readonly after: number | undefined;
  readonly take: number;
}

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
    ...reads(prisma),
    stop: () => prisma.$disconnect(),
  };
}

const REPUBLISH_TIMEOUT_MS = 120_000;

const TRANSACTION_NOT_TO_BE_HAD = "P2028";
/** The wait for a lock exceeded its limit, or the statement that waits did (SQLSTATE `lock_not_available`, `query_canceled`). */
const NOT_IN_TIME: ReadonlySet<unknown> = new Set(["55P03", "57014"]);

/** No connection or no head lock in time. */
const isBusy = (error: unknown): boolean =>
  error instanceof Prisma.PrismaClientKnownRequestError &&
  (error.code === TRANSACTION_NOT_TO_BE_HAD || NOT_IN_TIME.has(sqlStateOf(error)));

/** Prisma has no row locks. */
async function lockHead(tx: Prisma.TransactionClient): Promise<number> {
  const rows = await tx.$queryRaw<{ version: number }[]>`SELECT version FROM tenancy_head WHERE id = 1 FOR UPDATE`;
  const [head] = rows;
  if (head === undefined) throw new Error("tenancy_head has no row");
  return head.version;
}

function reads(prisma: PrismaClient) {
  return {
    async tenantsByIds(ids: readonly string[]): Promise<TenantState[]> {
      const rows = await prisma.tenant.findMany({ where: { id: { in: [...ids] } }, include: tenantParts });
      return rows.map(tenantState);
    },
    /** In order of creation; a position is `createdInVersion`. */
    async tenants({ after, take, status }: PageRequest & { readonly status: TenantState["status"] | undefined }) {
      const rows = await prisma.tenant.findMany({
        where: {
          ...(status !== undefined && { status }),
          ...(after !== undefined && { createdInVersion: { gt: after } }),
        },
        orderBy: { createdInVersion: "asc" },
        take,
        include: tenantParts,
      });
      return rows.map(tenantState);
    },
    async apiKey(id: string): Promise<ApiKeyState | undefined> {
      const row = await prisma.apiKey.findUnique({ where: { id } });
      return row === null ? undefined : apiKeyState(row);
    },
    async apiKeysOfTenants(tenantIds: readonly string[]): Promise<ApiKeyState[]> {
      const rows = await prisma.apiKey.findMany({
        where: { tenantId: { in: [...tenantIds] } },
        orderBy: [{ createdAt: "asc" }, { id: "asc" }],
      });
      return rows.map(apiKeyState);
    },
    /** The last use of each of these keys, epoch ms; absent: never, as far as reported. */
    async keyUses(keyIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
      const rows = await prisma.apiKey.findMany({
        where: { id: { in: [...keyIds] }, lastUsedAt: { not: null } },
        select: { id: true, lastUsedAt: true },
      });
      return new Map(rows.flatMap(({ id, lastUsedAt }) => (lastUsedAt === null ? [] : [[id, lastUsedAt.getTime()]])));
    },
    async activeMeters(): Promise<MeterState[]> {
      const rows = await prisma.meter.findMany({
        where: { archivedInVersion: null },
        orderBy: { createdInVersion: "asc" },
      });
      return rows.map(meterState);
    },
    async plansByIds(ids: readonly string[]): Promise<PlanState[]> {
      const rows = await prisma.plan.findMany({ where: { id: { in: [...ids] } }, include: planParts });
      return rows.map(planState);
    },
    /**
     * Plans that are not archived, in order of creation; a position is the version of the plan's first version. `visibleTo`: only
     * these plans and those with a public version.
     */
    async plans({
      after,
      take,
      visibleTo,
    }: PageRequest & { readonly visibleTo: readonly string[] | undefined }): Promise<PlanState[]> {
      const seen = visibleTo && { OR: [{ id: { in: [...visibleTo] } }, { versions: { some: { public: true } } }] };
      const rows = await prisma.plan.findMany({
        where: { archived: false, ...(after !== undefined && { createdInVersion: { gt: after } }), ...seen },
        orderBy: { createdInVersion: "asc" },
        take,
        include: planParts,
      });
      return rows.map(planState);
    },
    /** Newest first; a position is an entry's id. `tenantId` undefined: all tenants. */
    async auditLog({
      after,
      take,
      tenantId,
    }: PageRequest & { readonly tenantId: string | undefined }): Promise<AuditRecord[]> {
      const rows = await prisma.auditEntry.findMany({
        where: { ...(tenantId !== undefined && { tenantId }), ...(after !== undefined && { id: { lt: after } }) },
        orderBy: { id: "desc" },
        take,
      });
      return rows.map(({ tenantId: _, logPosition: __, ...row }) => ({
        ...row,
        id: Number(row.id),
        at: row.at.getTime(),
      }));
    },
    /** Adds other services' changes; existing entries are unchanged. */
    async takeAudits(audits: readonly ServiceAudit[]): Promise<void> {
      const data = audits.map(({ position, entry: { at, before, after, ...entry } }) => ({
        ...entry,
        at: new Date(at),
        logPosition: position,
        ...(before !== null && { before: before as Prisma.InputJsonObject }),
        ...(after !== null && { after: after as Prisma.InputJsonObject }),
      }));
      await prisma.auditEntry.createMany({ data, skipDuplicates: true });
    },
    /** In `audit.recorded`; undefined: none was read yet. */
    async lastAuditPosition(): Promise<number | undefined> {
      const { _max } = await prisma.auditEntry.aggregate({ _max: { logPosition: true } });
      return _max.logPosition === null ? undefined : Number(_max.logPosition);
    },
  };
}
