import { Decimal, formatDecimal } from "#kernel/decimal.js";
import type { Prisma } from "#prisma/tenancy/generated/client.js";
import {
  type ApiKeyState,
  type MeterState,
  type PlanState,
  type SellerState,
  stateOf,
  type TenancyChangedV1,
  type TenantState,
  tenancyChangedV1,
} from "#schema/events/tenancy-changed.v1.js";

/** An entity owned by tenancy, with its full state. */
export type State = Exclude<TenancyChangedV1, { kind: "heartbeat" }>;
type Kind = State["kind"];

export const tenantParts = {
  graceDays: { orderBy: { inVersion: "asc" } },
  assignments: { orderBy: { inVersion: "asc" } },
} as const satisfies Prisma.TenantInclude;
export const planParts = { versions: { orderBy: { version: "asc" } } } as const satisfies Prisma.PlanInclude;

type TenantRow = Prisma.TenantGetPayload<{ include: typeof tenantParts }>;
type PlanRow = Prisma.PlanGetPayload<{ include: typeof planParts }>;

export function tenantState(row: TenantRow): TenantState {
  return parseAs("tenant", {
    kind: "tenant",
    id: row.id,
    version: row.version,
    name: row.name,
    ...(Array.isArray(row.buyers) && row.buyers.length > 0 && { buyers: row.buyers }),
    status: row.status,
    createdAt: row.createdAt.getTime(),
    createdInVersion: row.createdInVersion,
    billingAnchorDay: row.billingAnchorDay,
    startsAt: row.startsAt.getTime(),
    ...(row.beganAt !== null && { beganAt: row.beganAt.getTime() }),
    ...(Array.isArray(row.billingPauses) && row.billingPauses.length > 0 && { billingPauses: row.billingPauses }),
    currency: row.currency,
    testClock: msOf(row.testClock),
    ...(row.timeZone !== "UTC" && { timeZone: row.timeZone }),
    graceDays: row.graceDays.map(({ days, inVersion }) => ({ days, inVersion })),
    assignments: row.assignments.map((assignment) => ({
      planId: assignment.planId,
      planVersion: assignment.planVersion,
      effectiveFrom: assignment.effectiveFrom.getTime(),
      inVersion: assignment.inVersion,
      cancelledInVersion: assignment.cancelledInVersion,
    })),
    quotaOverrides: row.quotaOverrides,
    closedInVersion: row.closedInVersion,
    closedAt: msOf(row.closedAt),
  });
}

export function apiKeyState({ lastUsedAt: _, ...row }: Prisma.ApiKeyGetPayload<object>): ApiKeyState {
  return parseAs("apiKey", {
    ...row,
    kind: "apiKey",
    createdAt: row.createdAt.getTime(),
    expiresAt: msOf(row.expiresAt),
    revokedAt: msOf(row.revokedAt),
  });
}

/** What a meter without a backfill or that was never archived has not, as in what older releases stored, is absent. */
export function meterState({
  creationInput: _,
  archivedAt,
  archivals,
  backfill,
  ...row
}: Prisma.MeterGetPayload<object>): MeterState {
  return parseAs("meter", {
    ...row,
    kind: "meter",
    ...(backfill && { backfill }),
    ...(archivedAt !== null && { archivedAt: archivedAt.getTime() }),
    ...(Array.isArray(archivals) && archivals.length > 0 && { archivals }),
  });
}

export function planState(row: PlanRow): PlanState {
  return parseAs("plan", {
    kind: "plan",
    id: row.id,
    version: row.version,
    name: row.name,
    archived: row.archived,
    versions: row.versions.map((version) => ({
      version: version.version,
      publishedAt: version.publishedAt.getTime(),
      publishedInVersion: version.publishedInVersion,
      currency: version.currency,
      recurringFee: formatDecimal(new Decimal(version.recurringFee.toFixed())),
      ...(version.recurringFeeProration !== "NONE" && { recurringFeeProration: version.recurringFeeProration }),
      minimumCommit: formatDecimal(new Decimal(version.minimumCommit.toFixed())),
      prices: version.prices,
      limits: version.limits,
      ...(version.public && { public: true }),
    })),
  });
}

export const sellerState = ({ id, version, history }: Prisma.SellerGetPayload<object>): SellerState =>
  parseAs("seller", { kind: "seller", id, version, history });

/** The kind of record that can hold every state of a kind. */
const WIDEST: Readonly<Record<Kind, string>> = {
  tenant: "moneyTenant",
  plan: "moneyPlan",
  meter: "meter",
  apiKey: "apiKey",
  seller: "seller",
};

/** The database is external: a row that is not a valid state is a bug and fails here. */
function parseAs<K extends Kind>(kind: K, value: object): Extract<State, { kind: K }> {
  const state = stateOf(tenancyChangedV1.parse({ ...value, kind: WIDEST[kind] }));
  if (!isOfKind(state, kind)) throw new Error(`a row of ${kind} reads as ${state.kind}`);
  return state;
}

function isOfKind<K extends Kind>(state: TenancyChangedV1, kind: K): state is Extract<State, { kind: K }> {
  return state.kind === kind;
}

const msOf = (date: Date | null): number | null => date?.getTime() ?? null;
const dateOf = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));

/** Writes a state: its row, and new history rows. `creationInput` only for a new state. */
export async function writeState(
  tx: Prisma.TransactionClient,
  state: State,
  creationInput: Prisma.InputJsonObject | undefined,
): Promise<void> {
  switch (state.kind) {
    case "tenant":
      return writeTenant(tx, state, creationInput);
    case "plan":
      return writePlan(tx, state, creationInput);
    case "meter":
      return writeMeter(tx, state, creationInput);
    case "apiKey":
      return writeApiKey(tx, state);
    case "seller":
      return writeSeller(tx, state);
  }
}

async function writeTenant(
  tx: Prisma.TransactionClient,
  { kind: _, id, graceDays, assignments, ...rest }: TenantState,
  creationInput: Prisma.InputJsonObject | undefined,
): Promise<void> {
  const row = {
    ...rest,
    createdAt: new Date(rest.createdAt),
    startsAt: new Date(rest.startsAt),
    beganAt: dateOf(rest.beganAt ?? null),
    billingPauses: rest.billingPauses ?? [],
    buyers: rest.buyers ?? [],
    testClock: dateOf(rest.testClock),
    closedAt: dateOf(rest.closedAt ?? null),
    quotaOverrides: rest.quotaOverrides ?? [],
  };
  if (creationInput === undefined) await tx.tenant.update({ where: { id }, data: row });
  else await tx.tenant.create({ data: { id, ...row, creationInput } });
  await tx.tenantGrace.createMany({
    data: graceDays.map((entry) => ({ tenantId: id, ...entry })),
    skipDuplicates: true,
  });
  await tx.planAssignment.createMany({
    data: assignments.map((a) => ({ tenantId: id, ...a, effectiveFrom: new Date(a.effectiveFrom) })),
    skipDuplicates: true,
  });
  for (const { inVersion, cancelledInVersion } of assignments) {
    if (cancelledInVersion !== rest.version) continue;
    await tx.planAssignment.update({
      where: { tenantId_inVersion: { tenantId: id, inVersion } },
      data: { cancelledInVersion },
    });
  }
}

async function writePlan(
  tx: Prisma.TransactionClient,
  { kind: _, id, versions, ...row }: PlanState,
  creationInput: Prisma.InputJsonObject | undefined,
): Promise<void> {
  if (creationInput === undefined) await tx.plan.update({ where: { id }, data: row });
  else await tx.plan.create({ data: { id, ...row, createdInVersion: row.version, creationInput } });
  await tx.planVersion.createMany({
    data: versions.map((v) => ({ planId: id, ...v, publishedAt: new Date(v.publishedAt) })),
    skipDuplicates: true,
  });
}

async function writeMeter(
  tx: Prisma.TransactionClient,
  { kind: _, id, ...state }: MeterState,
  creationInput: Prisma.InputJsonObject | undefined,
): Promise<void> {
  const row = { ...state, archivedAt: dateOf(state.archivedAt ?? null), archivals: state.archivals ?? [] };
  if (creationInput === undefined) await tx.meter.update({ where: { id }, data: row });
  else await tx.meter.create({ data: { id, ...row, creationInput } });
}

async function writeApiKey(tx: Prisma.TransactionClient, { kind: _, id, ...state }: ApiKeyState): Promise<void> {
  const row = {
    ...state,
    createdAt: new Date(state.createdAt),
    expiresAt: dateOf(state.expiresAt),
    revokedAt: dateOf(state.revokedAt),
  };
  await tx.apiKey.upsert({ where: { id }, create: { id, ...row }, update: row });
}

async function writeSeller(tx: Prisma.TransactionClient, { id, version, history }: SellerState): Promise<void> {
  await tx.seller.upsert({ where: { id }, create: { id, version, history }, update: { version, history } });
}
