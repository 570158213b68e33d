import type { Database } from "#platform/database/database.js";
import type { EventType } from "#schema/webhook-events.js";
import type { Notice } from "../rules/notice.js";

/** A notice with its positions: among all of the tenant, and in its stream. */
export type StoredNotice = Notice & { readonly number: number; readonly sequence: number };
export type NoticeOf<Type extends EventType> = Extract<StoredNotice, { readonly type: Type }>;

/** The last number of each tenant with notices. */
export async function lastNumbers(database: Database, tenantIds: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await database.pool.query<{ tenant_id: string; last_number: number }>(
    "SELECT tenant_id, last_number FROM tenant_stream WHERE tenant_id = ANY($1::text[])",
    [tenantIds],
  );
  return new Map(rows.map((row) => [row.tenant_id, row.last_number]));
}

/** Notices of some types after a number, in order. `intake.ts` validated the rows, so `data` matches `type`. */
export async function readNotices<Type extends EventType>(
  database: Database,
  tenantId: string,
  types: readonly Type[],
  after: number,
  limit: number,
): Promise<readonly NoticeOf<Type>[]> {
  const [notices = []] = await readNoticePages(database, types, [{ tenantId, after, limit }]);
  return notices;
}

export interface NoticePage {
  readonly tenantId: string;
  readonly after: number;
  readonly limit: number;
}

/** The same for many tenants, in the order of the pages. */
export async function readNoticePages<Type extends EventType>(
  database: Database,
  types: readonly Type[],
  pages: readonly NoticePage[],
): Promise<readonly (readonly NoticeOf<Type>[])[]> {
  const { rows } = await database.pool.query<NoticeOf<Type> & { readonly page: number }>(
    `SELECT q.page::int - 1 AS page, n.* FROM unnest($1::text[], $2::bigint[], $3::int[])
       WITH ORDINALITY AS q (tenant_id, after, size, page)
     CROSS JOIN LATERAL (
       SELECT tenant_id AS "tenantId", number, sequence, event_id AS "eventId", type, data,
         to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS time
       FROM notice WHERE tenant_id = q.tenant_id AND number > q.after AND type = ANY($4::text[]) ORDER BY number LIMIT q.size
     ) n ORDER BY q.page, n.number`,
    [pages.map((page) => page.tenantId), pages.map((page) => page.after), pages.map((page) => page.limit), types],
  );
  const found: NoticeOf<Type>[][] = pages.map(() => []);
  for (const { page, ...notice } of rows) found[page]?.push(notice as unknown as NoticeOf<Type>);
  return found;
}
