import type { Database } from "#platform/database.js";
import type { EventType } from "#schema/webhook-events.js";
import type { Notice } from "./rules/notice.js";

/** A notice with its position in the tenant's stream. */
export type StoredNotice = Notice & { readonly number: number };
export type NoticeOf<Type extends EventType> = Extract<StoredNotice, { readonly type: Type }>;

/** The last number of each tenant that has one. */
export async function lastNumbers(database: Database, tenantIds: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await database.pool.query<{ tenant_id: string; last_number: number }>(
    "SELECT tenant_id, last_number FROM tenant_stream WHERE tenant_id = ANY($1::text[])",
    [tenantIds],
  );
  return new Map(rows.map((row) => [row.tenant_id, row.last_number]));
}

/**
 * Notices of some types just after a number, in order. The rows are what `store-intake.ts` wrote after their contracts were
 * checked, so `data` belongs to `type`.
 */
export async function readNotices<Type extends EventType>(
  database: Database,
  tenantId: string,
  types: readonly Type[],
  after: number,
  limit: number,
): Promise<readonly NoticeOf<Type>[]> {
  const { rows } = await database.pool.query<NoticeOf<Type>>(
    `SELECT tenant_id AS "tenantId", number, event_id AS "eventId", type, data,
       to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS time
     FROM notice WHERE tenant_id = $1 AND number > $2 AND type = ANY($3::text[]) ORDER BY number LIMIT $4`,
    [tenantId, after, types, limit],
  );
  return rows;
}
