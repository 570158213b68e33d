import type { Prisma } from "#prisma/tenancy/generated/client.js";
import type { TenancyChangedV1 } from "#schema/events/tenancy-changed.v1.js";
import { TENANCY_CHANGED } from "#schema/topics.js";
import { outboxRow } from "./change.js";
import {
  apiKeyState,
  meterState,
  planParts,
  planState,
  type State,
  sellerState,
  tenantParts,
  tenantState,
} from "./rows.js";

/** The identity of a state in a copy of tenancy; keys are found by hash there. */
export type PublishedState = {
  readonly kind: State["kind"];
  readonly id: string;
  readonly hash?: string;
  readonly version: number;
};

const HEARTBEAT_KEY = "heartbeat:heartbeat";
const topic = TENANCY_CHANGED.name;

/**
 * A heartbeat is sent through the outbox like changes: appended directly it could overtake a change whose version it claims,
 * and would keep copies fresh while the relay is stuck and revocations do not arrive. A pending one is replaced, so that they
 * do not accumulate while the log is down.
 */
export async function enqueueHeartbeat(tx: Prisma.TransactionClient, head: number, now: number): Promise<void> {
  const heartbeat: TenancyChangedV1 = { kind: "heartbeat", id: "heartbeat", version: head, at: now };
  await tx.outbox.deleteMany({ where: { topic, key: HEARTBEAT_KEY } });
  await tx.outbox.create({ data: { topic, partition: 0, key: HEARTBEAT_KEY, value: JSON.stringify(heartbeat) } });
}

/**
 * The topic is derived: states lost from it (a wiped log) are enqueued again, in version order. The outbox's content is
 * included and replaced: sent first, it would make copies claim versions whose older states they lack.
 */
export async function republishMissing(
  tx: Prisma.TransactionClient,
  isPublished: (state: PublishedState) => boolean,
): Promise<number> {
  const missing = (state: PublishedState) => !isPublished(state);
  const tenants = await tx.tenant.findMany({ select: { id: true, version: true } });
  const keys = await tx.apiKey.findMany({ select: { id: true, hash: true, version: true } });
  const meters = await tx.meter.findMany();
  const plans = await tx.plan.findMany({ select: { id: true, version: true } });
  const sellers = await tx.seller.findMany();
  const states: State[] = [...meters.map(meterState), ...sellers.map(sellerState)].filter(missing);
  for (const ids of chunks(tenants.filter((row) => missing({ ...row, kind: "tenant" })))) {
    const rows = await tx.tenant.findMany({ where: { id: { in: ids } }, include: tenantParts });
    states.push(...rows.map(tenantState));
  }
  for (const ids of chunks(keys.filter((row) => missing({ ...row, kind: "apiKey" })))) {
    states.push(...(await tx.apiKey.findMany({ where: { id: { in: ids } } })).map(apiKeyState));
  }
  for (const ids of chunks(plans.filter((row) => missing({ ...row, kind: "plan" })))) {
    const rows = await tx.plan.findMany({ where: { id: { in: ids } }, include: planParts });
    states.push(...rows.map(planState));
  }
  await tx.outbox.deleteMany({ where: { topic } });
  states.sort((a, b) => a.version - b.version);
  for (let from = 0; from < states.length; from += CHUNK)
    await tx.outbox.createMany({ data: states.slice(from, from + CHUNK).map(outboxRow) });
  return states.length;
}

const CHUNK = 1000;

function chunks(rows: readonly { readonly id: string }[]): string[][] {
  const ids = rows.map((row) => row.id);
  return Array.from({ length: Math.ceil(ids.length / CHUNK) }, (_, index) =>
    ids.slice(index * CHUNK, (index + 1) * CHUNK),
  );
}

export async function oldestUnpublished(tx: Prisma.TransactionClient): Promise<number | undefined> {
  const row = await tx.outbox.findFirst({ orderBy: { id: "asc" }, select: { createdAt: true } });
  return row?.createdAt.getTime();
}
