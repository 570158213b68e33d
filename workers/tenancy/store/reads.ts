import type { Database } from "#platform/database/database.js";
import type { Prisma, PrismaClient } from "#prisma/tenancy/generated/client.js";
import type { auditRecordedV1 } from "#schema/events/audit-recorded.v1.js";
import type { ApiKeyState, MeterState, PlanState, TenantState } from "#schema/events/tenancy-changed.v1.js";
import { apiKeyState, meterState, planParts, planState, tenantParts, tenantState } from "./rows.js";

/** One entry of the audit log. `before` and `after` are states without secrets. */
export interface AuditRecord {
  readonly id: number;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
}

/** States of an entry of the audit log, each with megabytes at most; null: there was none. */
export type AuditState = "before" | "after";

export interface ServiceAudit {
  readonly position: number;
  readonly entry: Readonly<ReturnType<typeof auditRecordedV1.parse>>;
}

/** A page of a list in a fixed order: at most `take` entries after the position `after`. */
export interface PageRequest {
  readonly after: number | undefined;
  readonly take: number;
}

/** Called with the bytes of rows before they are read: throws if those are too many. */
export type AdmitBytes = (bytes: number) => void;

/** Of the members of a state, as JSON, and of what its creation was compared with. */
const TENANT_BYTES = `octet_length(buyers::text) + octet_length(billing_pauses::text) + octet_length(quota_overrides::text)
  + octet_length(creation_input::text) + 100 * (SELECT count(*) FROM plan_assignment a WHERE a.tenant_id = t.id)
  + 50 * (SELECT count(*) FROM tenant_grace g WHERE g.tenant_id = t.id)
  FROM tenant t WHERE t.id = ANY($1::text[])`;
const PLAN_BYTES = `octet_length(p.creation_input::text)
  + (SELECT coalesce(sum(200 + octet_length(v.prices::text) + octet_length(v.limits::text)), 0)
       FROM plan_version v WHERE v.plan_id = p.id)
  FROM plan p WHERE p.id = ANY($1::text[])`;
const KEY_BYTES = "octet_length(name) + 300 FROM api_key WHERE tenant_id = ANY($1::text[])";
const METER_BYTES = `SELECT coalesce(max(version), 0) AS version,
  coalesce(sum(300 + octet_length(name) + octet_length(event_type) + octet_length(dimensions::text)
    + octet_length(creation_input::text)) FILTER (WHERE archived_in_version IS NULL), 0)::float8 AS bytes FROM meter`;
const AUDIT_BYTES: Readonly<Record<AuditState, string>> = {
  before: "coalesce(octet_length(before::text), 0) FROM audit_entry WHERE id = ANY($1::bigint[])",
  after: "coalesce(octet_length(after::text), 0) FROM audit_entry WHERE id = ANY($1::bigint[])",
};

/** Reads of current states. Those of many rows, or large ones, tell `admit` their sizes first. */
export function createReads({ pool }: Database, prisma: PrismaClient) {
  let lastMeters: { readonly version: number; readonly meters: readonly MeterState[] } | undefined;

  async function admitted(
    bytes: string,
    ids: readonly (string | number)[],
    admit: AdmitBytes | undefined,
  ): Promise<void> {
    if (admit === undefined || ids.length === 0) return;
    const { rows } = await pool.query<{ bytes: number }>(
      `SELECT coalesce(sum(bytes), 0)::float8 AS bytes FROM (SELECT ${bytes}) AS r(bytes)`,
      [ids],
    );
    admit(rows[0]?.bytes ?? 0);
  }

  /** One has at most the size of a record. */
  const admittedIfMany = async (bytes: string, ids: readonly string[], admit: AdmitBytes | undefined): Promise<void> =>
    ids.length > 1 ? admitted(bytes, ids, admit) : undefined;

  return {
    async tenantsByIds(ids: readonly string[], admit?: AdmitBytes): Promise<TenantState[]> {
      await admittedIfMany(TENANT_BYTES, ids, admit);
      const rows = await prisma.tenant.findMany({ where: { id: { in: [...ids] } }, include: tenantParts });
      return rows.map(tenantState);
    },
    /** In order of creation; a position is `createdInVersion`. */
    async tenants(
      { after, take, status }: PageRequest & { readonly status: TenantState["status"] | undefined },
      admit?: AdmitBytes,
    ): Promise<TenantState[]> {
      const orderBy = { createdInVersion: "asc" } as const;
      const where = {
        ...(status !== undefined && { status }),
        ...(after !== undefined && { createdInVersion: { gt: after } }),
      };
      const ids = idsOf(await prisma.tenant.findMany({ where, orderBy, take, select: { id: true } }));
      await admittedIfMany(TENANT_BYTES, ids, admit);
      const rows = await prisma.tenant.findMany({ where: { id: { in: ids } }, orderBy, include: tenantParts });
      return rows.map(tenantState);
    },
    async apiKey(id: string): Promise<ApiKeyState | undefined> {
      const row = await prisma.apiKey.findUnique({ where: { id } });
      return row === null ? undefined : apiKeyState(row);
    },
    async apiKeysOfTenants(tenantIds: readonly string[], admit?: AdmitBytes): Promise<ApiKeyState[]> {
      await admitted(KEY_BYTES, tenantIds, admit);
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
    /** Read again only after a change of a meter: to read very many takes longer than everything else that a list of them needs. */
    async activeMeters(admit?: AdmitBytes): Promise<readonly MeterState[]> {
      const { rows: sizes } = await pool.query<{ version: number; bytes: number }>(METER_BYTES);
      const { version, bytes } = sizes[0] ?? { version: 0, bytes: 0 };
      admit?.(bytes);
      if (lastMeters?.version !== version) {
        const rows = await prisma.meter.findMany({
          where: { archivedInVersion: null },
          orderBy: { createdInVersion: "asc" },
        });
        // Perhaps newer ones than that: then the next call reads them again.
        lastMeters = { version, meters: rows.map(meterState) };
      }
      return lastMeters.meters;
    },
    async plansByIds(ids: readonly string[], admit?: AdmitBytes): Promise<PlanState[]> {
      await admittedIfMany(PLAN_BYTES, ids, admit);
      const rows = await prisma.plan.findMany({ where: { id: { in: [...ids] } }, include: planParts });
      return rows.map(planState);
    },
    /**
     * Plans that are not archived, in order of creation; a position is the version of the plan's first version. `visibleTo`: only
     * these plans and those with a public version.
     */
    async plans(
      { after, take, visibleTo }: PageRequest & { readonly visibleTo: readonly string[] | undefined },
      admit?: AdmitBytes,
    ): Promise<PlanState[]> {
      const seen = visibleTo && { OR: [{ id: { in: [...visibleTo] } }, { versions: { some: { public: true } } }] };
      const orderBy = { createdInVersion: "asc" } as const;
      const where = { archived: false, ...(after !== undefined && { createdInVersion: { gt: after } }), ...seen };
      const ids = idsOf(await prisma.plan.findMany({ where, orderBy, take, select: { id: true } }));
      await admittedIfMany(PLAN_BYTES, ids, admit);
      const rows = await prisma.plan.findMany({ where: { id: { in: ids } }, orderBy, include: planParts });
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
        ...{ orderBy: { id: "desc" }, take, select: { id: true, at: true, actor: true, action: true, target: true } },
      });
      return rows.map((row) => ({ ...row, id: Number(row.id), at: row.at.getTime() }));
    },
    /** The states before or after these entries of the audit log. */
    async auditStates(
      which: AuditState,
      ids: readonly number[],
      admit?: AdmitBytes,
    ): Promise<ReadonlyMap<number, unknown>> {
      await admitted(AUDIT_BYTES[which], ids, admit);
      const rows = await prisma.auditEntry.findMany({
        where: { id: { in: [...ids] } },
        select: { id: true, before: which === "before", after: which === "after" },
      });
      return new Map(rows.map((row) => [Number(row.id), row[which] ?? null]));
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

const idsOf = <Id>(rows: readonly { readonly id: Id }[]): Id[] => rows.map(({ id }) => id);
