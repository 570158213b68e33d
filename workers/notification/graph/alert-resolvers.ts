import { Arg, Ctx, FieldResolver, ID, Int, Resolver, Root, Subscription } from "type-graphql";
import type { Database } from "#platform/database/database.js";
import { batched } from "#platform/graphql/batched.js";
import { CursorScalar } from "#platform/graphql/scalars.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { authorize } from "#schema/policy.js";
import type { Feed } from "../feed/feed.js";
import { noticeCursor, pageSize, parseNoticeCursor } from "../rules/cursor.js";
import { type NoticeOf, type NoticePage, readNoticePages } from "../store/feed.js";
import { requireTenant } from "./known-tenant.js";
import { InvoiceGeneratedType, QuotaAlertConnectionType, QuotaAlertType, TenantType } from "./types.js";

const ALERTS = ["quota.warning", "quota.exceeded"] as const;
const INVOICES = ["invoice.generated"] as const;

function alertOf({ number, tenantId, eventId, type, data }: NoticeOf<(typeof ALERTS)[number]>): QuotaAlertType {
  return {
    id: eventId,
    cursor: noticeCursor(number),
    tenantId,
    kind: type === "quota.warning" ? "WARNING" : "EXCEEDED",
    meter: data.meter,
    window: data.window,
    windowStart: new Date(data.windowStart),
    threshold: data.threshold,
    limit: data.limit,
    used: data.used,
    at: new Date(data.at),
    tenant: { id: tenantId },
  };
}

@Resolver(() => TenantType)
export class TenantAlertsResolver {
  private readonly pageOf;

  constructor(database: Database) {
    this.pageOf = batched((pages: readonly NoticePage[]) => readNoticePages(database, ALERTS, pages));
  }

  @FieldResolver(() => QuotaAlertConnectionType, { description: "In the order they happened, oldest first" })
  async alerts(
    @Root() tenant: TenantType,
    @Ctx() context: SubgraphContext,
    @Arg("first", () => Int, { nullable: true, defaultValue: 50 }) first?: number | null,
    @Arg("after", () => CursorScalar, { nullable: true }) after?: string | null,
  ): Promise<QuotaAlertConnectionType> {
    authorize(context.identity, "Query.tenant", tenant.id);
    const size = pageSize(first);
    const page = { tenantId: tenant.id, after: positionOf(after) ?? 0, limit: size + 1 };
    const rows = await this.pageOf(context, page);
    const nodes = rows.slice(0, size).map(alertOf);
    return { nodes, pageInfo: { hasNextPage: rows.length > size, endCursor: nodes.at(-1)?.cursor ?? null } };
  }
}

export interface LiveOptions {
  readonly feed: Feed;
  readonly tenancy: TenancyCopy;
}

/** What type-graphql hands to `subscribe`; `args` has been checked against the schema. */
interface SubscribeCall {
  readonly args: { readonly tenantId: string; readonly after?: string | null };
  readonly context: SubgraphContext;
}

/**
 * The live part. `subscribe` is part of a decorator and sees no instance, so the class is made where its feed is known.
 * Authorisation and the tenant's filter are both in `subscribe`: an iterator exists only for the asker's own tenant.
 */
export function createLiveResolver({ feed, tenancy }: LiveOptions): object {
  @Resolver()
  class LiveResolver {
    @Subscription(() => QuotaAlertType, {
      description: "Alerts of a tenant from just after the cursor (or from now on), in order, without gap or repeat",
      subscribe: async ({ args, context }: SubscribeCall) => {
        authorize(context.identity, "Subscription.quotaAlerts", args.tenantId);
        await requireTenant(tenancy, args.tenantId);
        return feed.follow(args.tenantId, ALERTS, positionOf(args.after));
      },
    })
    quotaAlerts(
      @Root() notice: NoticeOf<(typeof ALERTS)[number]>,
      @Arg("tenantId", () => ID) _tenantId: string,
      @Arg("after", () => CursorScalar, { nullable: true }) _after?: string | null,
    ): QuotaAlertType {
      return alertOf(notice);
    }

    @Subscription(() => InvoiceGeneratedType, {
      description: "Invoices of a tenant as they are generated, from just after the cursor (or from now on)",
      subscribe: async ({ args, context }: SubscribeCall) => {
        authorize(context.identity, "Subscription.invoiceGenerated", args.tenantId);
        await requireTenant(tenancy, args.tenantId);
        return feed.follow(args.tenantId, INVOICES, positionOf(args.after));
      },
    })
    invoiceGenerated(
      @Root() { number, data }: NoticeOf<(typeof INVOICES)[number]>,
      @Arg("tenantId", () => ID) _tenantId: string,
      @Arg("after", () => CursorScalar, { nullable: true }) _after?: string | null,
    ): InvoiceGeneratedType {
      return { cursor: noticeCursor(number), invoice: { id: data.invoiceId } };
    }
  }
  return new LiveResolver();
}

function positionOf(after: string | null | undefined): number | undefined {
  return after === null || after === undefined ? undefined : parseNoticeCursor(after);
}
