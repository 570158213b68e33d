import type { Clock } from "#kernel/clock.js";
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

/** Tenancy's database, known only to `store/`. */
export interface TenancyStore {
  /**
   * Runs `work` in one transaction that holds the head lock, so that versions commit in order and the outbox has them in that
   * order too. Propagates exceptions, with nothing written; throws BUSY when the lock is not available.
   */
  change<T>(actor: string, work: (change: Change) => Promise<T>): Promise<T>;
  tenantsByIds(ids: readonly string[]): Promise<TenantState[]>;
  /** In order of creation; a position is `createdInVersion`. */
  tenants(page: PageRequest & { readonly status: TenantState["status"] | undefined }): Promise<TenantState[]>;
  apiKey(id: string): Promise<ApiKeyState | undefined>;
  apiKeysOfTenants(tenantIds: readonly string[]): Promise<ApiKeyState[]>;
  /** The last use of each of these keys, epoch ms; absent: never, as far as reported. */
  keyUses(keyIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Stores reported uses; older ones than known have no effect. */
  noteKeyUses(uses: readonly { readonly keyId: string; readonly at: number }[]): Promise<void>;
  activeMeters(): Promise<MeterState[]>;
  plansByIds(ids: readonly string[]): Promise<PlanState[]>;
  /** Plans that are not archived, in order of creation; a position is the version of the plan's first version. */
  plans(page: PageRequest): Promise<PlanState[]>;
  /** Newest first; a position is an entry's id. `tenantId` undefined: all tenants. */
  auditLog(page: PageRequest & { readonly tenantId: string | undefined }): Promise<AuditRecord[]>;
  /** Adds other services' changes; existing entries are unchanged. */
  takeAudits(audits: readonly ServiceAudit[]): Promise<void>;
  /** In `audit.recorded`; undefined: none was read yet. */
  lastAuditPosition(): Promise<number | undefined>;
  /** Enqueues a heartbeat with the version of everything enqueued before it. */
  heartbeat(): Promise<void>;
  /** Enqueues every state that the topic lacks; returns their number. For the start, before the relay runs. */
  republishMissing(isPublished: (state: PublishedState) => boolean): Promise<number>;
  /** The time of the oldest unpublished change, epoch ms; undefined: none. */
  oldestUnpublished(): Promise<number | undefined>;
  stop(): Promise<void>;
}

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
const TRANSACTION_NOT_TO_BE_HAD = "P2028";

export function createTenancyStore({ database, clock, partitions, onCommitted }: StoreOptions): TenancyStore {
  const prisma = new PrismaClient({ adapter: prismaAdapter(database) });
  const inTurn = createTurns(MAX_WAITING_CHANGES);

  async function locked<T>(
    timeout: number,
    work: (tx: Prisma.TransactionClient, head: number) => Promise<T>,
  ): Promise<T> {
    try {
      return await inTurn(() =>
        prisma.$transaction(async (tx) => work(tx, await lockHead(tx)), { maxWait: MAX_WAIT_MS, timeout }),
      );
    } catch (error) {
      if (error instanceof Prisma.PrismaClientKnownRequestError && error.code === TRANSACTION_NOT_TO_BE_HAD)
        throw new MetrlyError("BUSY", "Too many concurrent changes; try again");
      throw error;
    }
  }

  return {
    async change(actor, work) {
      const result = await locked(CHANGE_TIMEOUT_MS, async (tx, head) => {
        const change = createChange(tx, head, actor, clock.now(), partitions);
        const done = await work(change);
        if (change.saved() > head) await tx.tenancyHead.update({ where: { id: 1 }, data: { version: change.saved() } });
        return done;
      });
      onCommitted();
      return result;
    },
    async noteKeyUses(uses) {
      await database.pool.query(
        `UPDATE api_key k SET last_used_at = GREATEST(k.last_used_at, u.at)
         FROM unnest($1::text[], $2::timestamptz[]) AS u (id, at) WHERE k.id = u.id`,
        [uses.map(({ keyId }) => keyId), uses.map(({ at }) => new Date(at))],
      );
    },
    async heartbeat() {
      await locked(CHANGE_TIMEOUT_MS, (tx, head) => enqueueHeartbeat(tx, head, clock.now()));
      onCommitted();
    },
    republishMissing: (isPublished) => locked(REPUBLISH_TIMEOUT_MS, (tx) => republishMissing(tx, isPublished)),
    oldestUnpublished: () => oldestUnpublished(prisma),
    ...reads(prisma),
    stop: () => prisma.$disconnect(),
  };
}

const REPUBLISH_TIMEOUT_MS = 120_000;

/** Prisma has no row locks. */
async function lockHead(tx: Prisma.TransactionClient): Promise<number> {
  const rows = await tx.$queryRaw<{ version: number }[]>`SELECT version FROM tenancy_head WHERE id = 1 FOR UPDATE`;
  const [head] = rows;
  if (head === undefined) throw new Error("tenancy_head has no row");
  return head.version;
}

type Reads = Pick<
  TenancyStore,
  | "tenantsByIds"
  | "tenants"
  | "apiKey"
  | "apiKeysOfTenants"
  | "keyUses"
  | "activeMeters"
  | "plansByIds"
  | "plans"
  | "auditLog"
  | "takeAudits"
  | "lastAuditPosition"
>;

function reads(prisma: PrismaClient): Reads {
  return {
    async tenantsByIds(ids) {
      const rows = await prisma.tenant.findMany({ where: { id: { in: [...ids] } }, include: tenantParts });
      return rows.map(tenantState);
    },
    async tenants({ after, take, status }) {
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
    async apiKey(id) {
      const row = await prisma.apiKey.findUnique({ where: { id } });
      return row === null ? undefined : apiKeyState(row);
    },
    async apiKeysOfTenants(tenantIds) {
      const rows = await prisma.apiKey.findMany({
        where: { tenantId: { in: [...tenantIds] } },
        orderBy: [{ createdAt: "asc" }, { id: "asc" }],
      });
      return rows.map(apiKeyState);
    },
    async keyUses(keyIds) {
      const rows = await prisma.apiKey.findMany({
        where: { id: { in: [...keyIds] }, lastUsedAt: { not: null } },
        select: { id: true, lastUsedAt: true },
      });
      return new Map(rows.flatMap(({ id, lastUsedAt }) => (lastUsedAt === null ? [] : [[id, lastUsedAt.getTime()]])));
    },
    async activeMeters() {
      const rows = await prisma.meter.findMany({
        where: { archivedInVersion: null },
        orderBy: { createdInVersion: "asc" },
      });
      return rows.map(meterState);
    },
    async plansByIds(ids) {
      const rows = await prisma.plan.findMany({ where: { id: { in: [...ids] } }, include: planParts });
      return rows.map(planState);
    },
    async plans({ after, take }) {
      const rows = await prisma.plan.findMany({
        where: { archived: false, ...(after !== undefined && { createdInVersion: { gt: after } }) },
        orderBy: { createdInVersion: "asc" },
        take,
        include: planParts,
      });
      return rows.map(planState);
    },
    async auditLog({ after, take, tenantId }) {
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
    async takeAudits(audits) {
      const data = audits.map(({ position, entry: { at, before, after, ...entry } }) => ({
        ...entry,
        at: new Date(at),
        logPosition: position,
        ...(before !== null && { before: before as Prisma.InputJsonObject }),
        ...(after !== null && { after: after as Prisma.InputJsonObject }),
      }));
      await prisma.auditEntry.createMany({ data, skipDuplicates: true });
    },
    async lastAuditPosition() {
      const { _max } = await prisma.auditEntry.aggregate({ _max: { logPosition: true } });
      return _max.logPosition === null ? undefined : Number(_max.logPosition);
    },
  };
}
