import { MetrlyError } from "#kernel/errors.js";
import type { Database, Transaction } from "#platform/database/database.js";
import { prismaAdapter } from "#platform/database/prisma.js";
import { newOrderedUuid } from "#platform/lifecycle/random.js";
import { PrismaClient } from "#prisma/notification/generated/client.js";
import { TEST_EVENT_TYPE } from "#schema/webhook-events.js";
import { OPERATORS, toldTenant } from "../rules/operators.js";
import { takeAllowance } from "./allowance.js";
import { deadLetterPending, ENDPOINT_DELETED, replayDeliveries } from "./deliveries.js";
import { type DeliveryRef, insertDeliveries, lockTenants } from "./notices.js";

export interface Endpoint {
  /** `OPERATORS`: an operator's. */
  readonly tenantId: string;
  readonly id: string;
  readonly url: string;
  readonly eventTypes: readonly string[];
  readonly status: EndpointStatus;
  readonly disabledReason: string | null;
  readonly createdAt: Date;
}
export const ENDPOINT_STATUSES = ["ENABLED", "DISABLED"] as const;
export type EndpointStatus = (typeof ENDPOINT_STATUSES)[number];

export interface Attempt {
  readonly at: Date;
  readonly durationMs: number;
  readonly responseStatus: number | null;
  readonly error: string | null;
  readonly responseBody: string | null;
}

export interface Delivery {
  readonly tenantId: string;
  readonly id: string;
  readonly endpointSequence: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly status: DeliveryStatus;
  readonly deadReason: string | null;
  readonly nextAttemptAt: Date | null;
  readonly payload: string;
  readonly attempts: readonly Attempt[];
}
export const DELIVERY_STATUSES = ["PENDING", "DELIVERED", "DEAD"] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

export interface EndpointChange {
  readonly url?: string | undefined;
  readonly eventTypes?: readonly string[] | undefined;
  readonly status?: EndpointStatus | undefined;
}

const MAX_ENDPOINTS = 50;
/** Fewer: every event of every tenant may become a delivery to each. */
const MAX_OPERATORS_ENDPOINTS = 10;
const DISABLED_BY_OPERATOR = "disabled by an operator";

/** Deliveries of an endpoint after the delivery `after`. */
export interface DeliveryPage {
  readonly endpoint: Pick<Endpoint, "id" | "tenantId">;
  readonly after: string | undefined;
  readonly status: DeliveryStatus | undefined;
  readonly limit: number;
}

const ENDPOINT_BYTES = `SELECT coalesce(sum(300 + octet_length(url)), 0)::float8 AS bytes FROM webhook_endpoint
  WHERE tenant_id = ANY ($1::text[]) AND deleted_at IS NULL`;
const DELIVERY_PAGES = `
SELECT q.page::int - 1 AS page, d.id, octet_length(d.payload) + (
  SELECT coalesce(sum(octet_length(a.response_body)), 0)::int FROM webhook_attempt a
  WHERE a.tenant_id = q.tenant_id AND a.delivery_id = d.id
) AS bytes FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[])
  WITH ORDINALITY AS q (tenant_id, endpoint_id, after, status, size, page)
CROSS JOIN LATERAL (
  SELECT id, payload FROM webhook_delivery WHERE tenant_id = q.tenant_id AND endpoint_id = q.endpoint_id
    AND (q.after IS NULL OR id < q.after) AND (q.status IS NULL OR status::text = q.status)
  ORDER BY id DESC LIMIT q.size
) d ORDER BY q.page, d.id DESC`;

interface FoundDelivery {
  readonly page: number;
  readonly id: string;
  readonly bytes: number;
}

export type EndpointStore = ReturnType<typeof createEndpointStore>;

/** Endpoints, their secrets and the delivery log: configuration and reads. `deliveries.ts` has the state transitions. */
export function createEndpointStore(database: Database) {
  const prisma = new PrismaClient({ adapter: prismaAdapter(database) });

  async function find(id: string): Promise<Endpoint | undefined> {
    const row = await prisma.webhookEndpoint.findFirst({ where: { id, deletedAt: null } });
    return row === null ? undefined : endpointOf(row);
  }

  async function delivery(id: string): Promise<Delivery | undefined> {
    const row = await prisma.webhookDelivery.findFirst({ where: { id }, include: ATTEMPTS });
    return row === null ? undefined : deliveryOf(row);
  }

  return {
    find,
    delivery,

    /** How many deliveries wait for an attempt, of all tenants. */
    countPending: (): Promise<number> => prisma.webhookDelivery.count({ where: { nextAttemptAt: { not: null } } }),

    /** By tenant, in the order of their ids. */
    /** `admit` is called with the bytes of all before they are read. */
    async listOf(
      tenantIds: readonly string[],
      admit: (bytes: number) => void,
    ): Promise<readonly (readonly Endpoint[])[]> {
      const ids = [...new Set(tenantIds)];
      const sizes = await database.pool.query<{ bytes: number }>(ENDPOINT_BYTES, [ids]);
      admit(sizes.rows[0]?.bytes ?? 0);
      const rows = await prisma.webhookEndpoint.findMany({
        where: { tenantId: { in: ids }, deletedAt: null },
        orderBy: [{ createdAt: "asc" }, { id: "asc" }],
      });
      const found = new Map(ids.map((id): [string, Endpoint[]] => [id, []]));
      for (const row of rows) found.get(row.tenantId)?.push(endpointOf(row));
      return tenantIds.map((tenantId) => found.get(tenantId) ?? []);
    },

    /** Each newest first, in the order of the pages. `admit` is called with the bytes of all before they are read. */
    async deliveriesOf(
      pages: readonly DeliveryPage[],
      admit: (bytes: number) => void,
    ): Promise<readonly (readonly Delivery[])[]> {
      const { rows: found } = await database.pool.query<FoundDelivery>(DELIVERY_PAGES, [
        pages.map(({ endpoint }) => endpoint.tenantId),
        pages.map(({ endpoint }) => endpoint.id),
        pages.map(({ after }) => after ?? null),
        pages.map(({ status }) => status ?? null),
        pages.map(({ limit }) => limit),
      ]);
      admit(found.reduce((sum, { bytes }) => sum + bytes, 0));
      const tenants = new Set(pages.map(({ endpoint }) => endpoint.tenantId));
      const rows = await prisma.webhookDelivery.findMany({
        where: { tenantId: { in: [...tenants] }, id: { in: found.map(({ id }) => id) } },
        include: ATTEMPTS,
      });
      const byId = new Map(rows.map((row) => [row.id, deliveryOf(row)]));
      return pages.map((_, page) => found.flatMap((row) => (row.page === page ? (byId.get(row.id) ?? []) : [])));
    },

    /** Throws CONFLICT at the maximum of the tenant or the operators, also for concurrent creations. */
    async create(tenantId: string, url: string, eventTypes: readonly string[], secret: string): Promise<Endpoint> {
      const id = `whe_${newOrderedUuid()}`;
      await database.transaction(async (tx) => {
        await lockTenants(tx, [tenantId]);
        const { rows } = await tx.query<{ count: number }>(
          "SELECT count(*)::int AS count FROM webhook_endpoint WHERE tenant_id = $1 AND deleted_at IS NULL",
          [tenantId],
        );
        const [who, most] =
          tenantId === OPERATORS ? ["The platform", MAX_OPERATORS_ENDPOINTS] : ["A tenant", MAX_ENDPOINTS];
        if ((rows[0]?.count ?? 0) >= most)
          throw new MetrlyError("CONFLICT", `${who} has at most ${most} webhook endpoints`);
        await tx.query("INSERT INTO webhook_endpoint (tenant_id, id, url, event_types) VALUES ($1, $2, $3, $4)", [
          tenantId,
          id,
          url,
          eventTypes,
        ]);
        await insertSecret(tx, tenantId, id, secret);
      });
      return present(await find(id));
    },

    /**
     * Disabling turns pending deliveries into dead letters; enabling resets the failure history, and like another target ends a
     * pause.
     */
    async update(endpoint: Endpoint, change: EndpointChange): Promise<Endpoint> {
      await database.transaction(async (tx) => {
        const { rowCount } = await tx.query(
          `UPDATE webhook_endpoint SET
             url = coalesce($3, url), event_types = coalesce($4, event_types), status = coalesce($5, status),
             disabled_reason = CASE $5 WHEN 'ENABLED' THEN NULL WHEN 'DISABLED' THEN coalesce(disabled_reason, $6) ELSE disabled_reason END,
             failing_since = CASE WHEN $5 = 'ENABLED' THEN NULL ELSE failing_since END,
             failures_in_a_row = CASE WHEN $5 = 'ENABLED' OR $3 IS NOT NULL THEN 0 ELSE failures_in_a_row END,
             paused_until = CASE WHEN $5 = 'ENABLED' OR $3 IS NOT NULL THEN NULL ELSE paused_until END
           WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL`,
          [
            endpoint.tenantId,
            endpoint.id,
            change.url ?? null,
            change.eventTypes ?? null,
            change.status ?? null,
            DISABLED_BY_OPERATOR,
          ],
        );
        if (rowCount !== 1) throw gone();
        if (change.status === "DISABLED")
          await deadLetterPending(
            tx,
            endpoint.tenantId,
            endpoint.id,
            `the endpoint is disabled: ${DISABLED_BY_OPERATOR}`,
          );
      });
      return present(await find(endpoint.id));
    },

    async remove(endpoint: Endpoint): Promise<void> {
      await database.transaction(async (tx) => {
        const { rowCount } = await tx.query(
          "UPDATE webhook_endpoint SET deleted_at = now() WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
          [endpoint.tenantId, endpoint.id],
        );
        if (rowCount !== 1) throw gone();
        await deadLetterPending(tx, endpoint.tenantId, endpoint.id, ENDPOINT_DELETED);
      });
    },

    /** The current secret stays valid for `graceSeconds`; an older one in its grace time ends now. */
    async rotate(endpoint: Endpoint, secret: string, graceSeconds: number): Promise<void> {
      await database.transaction(async (tx) => {
        await lockEndpoint(tx, endpoint);
        const key = [endpoint.tenantId, endpoint.id];
        await tx.query(
          "DELETE FROM webhook_secret WHERE tenant_id = $1 AND endpoint_id = $2 AND expires_at IS NOT NULL",
          key,
        );
        await tx.query(
          "UPDATE webhook_secret SET expires_at = now() + $3 * interval '1 second' WHERE tenant_id = $1 AND endpoint_id = $2",
          [...key, graceSeconds],
        );
        await insertSecret(tx, endpoint.tenantId, endpoint.id, secret);
      });
    },

    /** Throws RATE_LIMITED when the tenant has sent too many, CONFLICT for a disabled endpoint. */
    async planTest(endpoint: Endpoint, nowMs: number): Promise<DeliveryRef> {
      const time = new Date(nowMs).toISOString();
      const data = {
        tenantId: toldTenant(endpoint.tenantId),
        endpointId: endpoint.id,
        message: "A test webhook from Metrly",
      };
      const [ref] = await database.transaction(async (tx) => {
        await takeAllowance(tx, endpoint.tenantId, "test");
        await lockEnabled(tx, endpoint);
        return insertDeliveries(tx, [
          {
            tenantId: endpoint.tenantId,
            endpointId: endpoint.id,
            eventTenantId: endpoint.tenantId,
            eventId: `test:${newOrderedUuid()}`,
            message: { type: TEST_EVENT_TYPE, time, data, sequence: undefined },
          },
        ]);
      });
      return present(ref);
    },

    /** Throws CONFLICT for a delivery being sent, or whose endpoint is disabled, and RATE_LIMITED. */
    async replay(tenantId: string, deliveryId: string): Promise<DeliveryRef> {
      return database.transaction(async (tx) => {
        await takeAllowance(tx, tenantId, "replay");
        const { rows } = await tx.query<{ endpoint_id: string }>(
          "SELECT endpoint_id FROM webhook_delivery WHERE tenant_id = $1 AND id = $2",
          [tenantId, deliveryId],
        );
        await lockEnabled(tx, { tenantId, id: rows[0]?.endpoint_id ?? "" });
        const [ref] = await replayDeliveries(tx, tenantId, { deliveryId });
        if (ref === undefined) throw new MetrlyError("CONFLICT", "The delivery is being sent right now");
        return ref;
      });
    },

    /** Throws CONFLICT for a disabled endpoint, and RATE_LIMITED: all of them count as one replay. */
    async replayDead(endpoint: Endpoint): Promise<readonly DeliveryRef[]> {
      return database.transaction(async (tx) => {
        await takeAllowance(tx, endpoint.tenantId, "replay");
        await lockEnabled(tx, endpoint);
        return replayDeliveries(tx, endpoint.tenantId, { deadLettersOf: endpoint.id });
      });
    },
  };
}

const ATTEMPTS = { attempts: { orderBy: { number: "asc" } } } as const;

async function insertSecret(tx: Transaction, tenantId: string, endpointId: string, secret: string): Promise<void> {
  await tx.query("INSERT INTO webhook_secret (tenant_id, endpoint_id, id, secret) VALUES ($1, $2, $3, $4)", [
    tenantId,
    endpointId,
    `whk_${newOrderedUuid()}`,
    secret,
  ]);
}

/** Locked, so that closing it and planning for it are serialized. Returns its status; throws NOT_FOUND. */
async function lockEndpoint(tx: Transaction, endpoint: Pick<Endpoint, "tenantId" | "id">): Promise<string> {
  const { rows } = await tx.query<{ status: string }>(
    "SELECT status FROM webhook_endpoint WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL FOR NO KEY UPDATE",
    [endpoint.tenantId, endpoint.id],
  );
  const [row] = rows;
  if (row === undefined) throw gone();
  return row.status;
}

async function lockEnabled(tx: Transaction, endpoint: Pick<Endpoint, "tenantId" | "id">): Promise<void> {
  if ((await lockEndpoint(tx, endpoint)) !== "ENABLED")
    throw new MetrlyError("CONFLICT", "The endpoint is disabled; enable it first");
}

const gone = (): MetrlyError => new MetrlyError("NOT_FOUND", "There is no such webhook endpoint or delivery");

function present<T>(value: T | undefined): T {
  if (value === undefined) throw gone();
  return value;
}

type Stored<T> = Omit<T, "status" | "eventTypes" | "endpointSequence"> & { readonly status: string };

function endpointOf(row: Stored<Endpoint> & { readonly eventTypes: readonly string[] }): Endpoint {
  return { ...row, status: row.status === "ENABLED" ? "ENABLED" : "DISABLED" };
}

function deliveryOf(row: Stored<Delivery> & { readonly endpointSequence: bigint }): Delivery {
  const { status } = row;
  if (status !== "PENDING" && status !== "DELIVERED" && status !== "DEAD") throw new Error(`delivery status ${status}`);
  return { ...row, status, endpointSequence: String(row.endpointSequence) };
}
