import { MetrlyError } from "#kernel/errors.js";
import type { Prisma } from "#prisma/tenancy/generated/client.js";
import {
  type ApiKeyState,
  type MeterState,
  type PlanState,
  recordOf,
  type SellerState,
  type TenantState,
} from "#schema/events/tenancy-changed.v1.js";
import type { ControlRecord } from "#schema/events/usage-received.v1.js";
import { TENANCY_CHANGED, USAGE_RECEIVED } from "#schema/topics.js";
import type { CreationInput } from "../rules/creation.js";
import {
  apiKeyState,
  meterState,
  planParts,
  planState,
  type State,
  sellerState,
  tenantParts,
  tenantState,
  writeState,
} from "./rows.js";

/** One saved step of a change: the states before and after, and its name in the audit log. */
export interface Step<S extends State> {
  /** E.g. `tenant.suspend`. */
  readonly action: string;
  /** Absent: `after` is new. */
  readonly before?: S;
  /** With `version` from `nextVersion()`. */
  readonly after: S;
  /** The input that a repeated create is compared with. */
  readonly creationInput?: CreationInput;
  readonly reason?: string;
}

export type Change = ReturnType<typeof createChange>;

/** Maximum size of one published state; brokers accept 1 MiB by default. */
const MAX_STATE_BYTES = 900 * 1024;

/** One transaction under the head lock: reads see all commits, writes get the next versions. */
export function createChange(
  tx: Prisma.TransactionClient,
  head: number,
  actor: string,
  now: number,
  partitions: number,
) {
  let saved = head;
  return {
    now,
    /** The last version given to a saved state. */
    saved: () => saved,
    /** The version of the next saved state: one state, one version. */
    nextVersion: () => saved + 1,
    async tenant(id: string): Promise<TenantState | undefined> {
      const row = await tx.tenant.findUnique({ where: { id }, include: tenantParts });
      return row === null ? undefined : tenantState(row);
    },
    async plan(id: string): Promise<PlanState | undefined> {
      const row = await tx.plan.findUnique({ where: { id }, include: planParts });
      return row === null ? undefined : planState(row);
    },
    async meter(id: string): Promise<MeterState | undefined> {
      const row = await tx.meter.findUnique({ where: { id } });
      return row === null ? undefined : meterState(row);
    },
    async apiKey(id: string): Promise<ApiKeyState | undefined> {
      const row = await tx.apiKey.findUnique({ where: { id } });
      return row === null ? undefined : apiKeyState(row);
    },
    async seller(): Promise<SellerState | undefined> {
      const row = await tx.seller.findFirst();
      return row === null ? undefined : sellerState(row);
    },
    /** By key. */
    async activeMeters(): Promise<ReadonlyMap<string, MeterState>> {
      const rows = await tx.meter.findMany({ where: { archivedInVersion: null } });
      return new Map(rows.map((row) => [row.id, meterState(row)]));
    },
    /**
     * Plans that would bill this meter's usage: those with a price of it in their latest version, unless archived, or in a
     * version that a tenant has now or will have.
     */
    plansPricing: (meter: string): Promise<{ id: string; name: string }[]> => {
      const price = JSON.stringify([{ meter }]);
      return tx.$queryRaw`
        SELECT p.id, p.name FROM plan p
         WHERE (NOT p.archived AND EXISTS (
                 SELECT 1 FROM plan_version v WHERE v.plan_id = p.id AND v.prices @> ${price}::jsonb
                    AND v.version = (SELECT max(l.version) FROM plan_version l WHERE l.plan_id = p.id)))
            OR EXISTS (
                 SELECT 1 FROM plan_assignment a JOIN tenant t ON t.id = a.tenant_id AND t.status <> 'CLOSED'
                   JOIN plan_version v ON v.plan_id = a.plan_id AND v.version = a.plan_version
                  WHERE a.plan_id = p.id AND a.cancelled_in_version IS NULL AND v.prices @> ${price}::jsonb
                    AND NOT EXISTS (
                      SELECT 1 FROM plan_assignment n
                       WHERE n.tenant_id = a.tenant_id AND n.cancelled_in_version IS NULL AND n.in_version > a.in_version
                         AND n.effective_from <= coalesce(t.test_clock, ${new Date(now)})))
         ORDER BY p.id`;
    },
    /** Those of some meters that are archived, by key. */
    archivedAmong: async (keys: readonly string[]): Promise<string[]> => {
      const where = { id: { in: [...keys] }, archivedInVersion: { not: null } };
      return (await tx.meter.findMany({ where, select: { id: true }, orderBy: { id: "asc" } })).map(({ id }) => id);
    },
    liveApiKeyCount: (tenantId: string | null): Promise<number> =>
      tx.apiKey.count({
        where: { tenantId, revokedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: new Date(now) } }] },
      }),
    creationInput: (kind: "tenant" | "plan" | "meter", id: string) => readCreationInput(tx, kind, id),
    /** Writes the state, its audit entry and its outbox row. */
    async save<S extends State>(step: Step<S>): Promise<S> {
      if (step.after.version !== saved + 1)
        throw new Error(`${step.action} must save version ${saved + 1}, not ${step.after.version}`);
      await writeState(tx, step.after, step.creationInput === undefined ? undefined : jsonOf(step.creationInput));
      await tx.auditEntry.create({ data: auditEntry(step, actor, now) });
      await tx.outbox.create({ data: outboxRow(step.after) });
      saved = step.after.version;
      return step.after;
    },
    /** Announces to every partition, in the same commit, that a meter also counts events recorded unmetered before. */
    async enqueueBackfill({ id, version }: MeterState): Promise<void> {
      const record: ControlRecord = { kind: "backfill", meterKey: id, tenancyVersion: version };
      const row = { topic: USAGE_RECEIVED.name, key: `backfill:${id}`, value: JSON.stringify(record) };
      const rows = Array.from({ length: partitions }, (_, partition) => ({ ...row, partition }));
      await tx.outbox.createMany({ data: rows });
    },
  };
}

/** The row that `enqueueOutbox` would write: Prisma's transaction cannot share its connection. */
export function outboxRow(state: State): Prisma.OutboxCreateManyInput {
  const value = JSON.stringify(recordOf(state));
  if (Buffer.byteLength(value, "utf8") > MAX_STATE_BYTES)
    throw new MetrlyError("TOO_LARGE", `A ${state.kind} with its history has at most ${MAX_STATE_BYTES} bytes`);
  return { topic: TENANCY_CHANGED.name, partition: 0, key: `${state.kind}:${state.id}`, value };
}

function auditEntry(step: Step<State>, actor: string, now: number): Prisma.AuditEntryCreateInput {
  const { after, before } = step;
  const tenantId = after.kind === "tenant" ? after.id : after.kind === "apiKey" ? after.tenantId : null;
  return {
    at: new Date(now),
    actor,
    action: step.action,
    target: `${after.kind}:${after.id}`,
    tenantId,
    ...(before !== undefined && { before: jsonOf(withoutSecrets(before)) }),
    after: jsonOf({ ...withoutSecrets(after), ...(step.reason !== undefined && { reason: step.reason }) }),
  };
}

/** A key's hash is irreversible, but still not for the audit log. */
function withoutSecrets(state: State): object {
  if (state.kind !== "apiKey") return state;
  const { hash: _, ...rest } = state;
  return rest;
}

function jsonOf(value: object): Prisma.InputJsonObject {
  return JSON.parse(JSON.stringify(value));
}

async function readCreationInput(
  tx: Prisma.TransactionClient,
  kind: "tenant" | "plan" | "meter",
  id: string,
): Promise<CreationInput> {
  const query = { where: { id }, select: { creationInput: true } } as const;
  const row = await (kind === "tenant"
    ? tx.tenant.findUniqueOrThrow(query)
    : kind === "plan"
      ? tx.plan.findUniqueOrThrow(query)
      : tx.meter.findUniqueOrThrow(query));
  const input = row.creationInput;
  if (input === null || typeof input !== "object" || Array.isArray(input))
    throw new Error(`the stored creation input of ${kind} ${id} is no object`);
  return input;
}
