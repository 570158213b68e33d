import { Arg, Args, Ctx, FieldResolver, ID, Resolver, Root, Subscription } from "type-graphql";
import type { Database } from "#platform/database/database.js";
import { batched } from "#platform/graphql/batched.js";
import { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import { CursorScalar } from "#platform/graphql/scalars.js";
import type { SubgraphContext } from "#platform/graphql/subgraph.js";
import { knownTenant } from "#platform/tenancy-client/caught-up.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { authorize } from "#schema/policy.js";
import type { Feed } from "../feed/feed.js";
import { type NoticeOf, type NoticePage, readNoticePages } from "../store/feed.js";
import { InvoiceGeneratedType, QuotaAlertConnectionType, QuotaAlertType, TenantType } from "./types.js";

const ALERTS = ["quota.warning", "quota.exceeded"] as const;
const INVOICES = ["invoice.generated"] as const;

/** A tenant's notices of all types, as numbered in its stream: `alerts` and both subscriptions accept each other's cursors. */
const NOTICES = numberedList("notice");

function alertOf({
  number,
  sequence,
  tenantId,
  eventId,
  type,
  data,
}: NoticeOf<(typeof ALERTS)[number]>): QuotaAlertType {
  return {
    id: eventId,
    sequence: String(sequence),
    cursor: NOTICES.cursorAt(number, tenantId),
    tenantId,
    kind: type === "quota.warning" ? "WARNING" : "EXCEEDED",
    meter: data.meter,
    unit: data.unit ?? "QUANTITY",
    currency: data.currency ?? null,
    window: data.window,
    dimensions: data.dimensions ?? [],
    where: data.where ?? [],
    windowStart: new Date(data.windowStart),
    threshold: data.threshold,
    thresholdKind: data.thresholdKind ?? "SHARE",
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

  @FieldResolver(() => QuotaAlertConnectionType, { description: "Its alerts, oldest first" })
  async alerts(
    @Root() tenant: TenantType,
    @Ctx() context: SubgraphContext,
    @Args(() => PageArguments) args: PageArguments,
  ): Promise<Page<QuotaAlertType>> {
    authorize(context.identity, "Query.tenant", tenant.id);
    const page = NOTICES.open(args, tenant.id);
    const rows = await this.pageOf(context, { tenantId: tenant.id, after: page.after ?? 0, limit: page.take });
    return page.of(rows, (notice) => notice.number, alertOf);
  }
}

export interface LiveOptions {
  readonly feed: Feed;
  readonly tenancy: TenancyCopy;
}

/** The argument that type-graphql passes to `subscribe`; `args` has been validated against the schema. */
interface SubscribeCall {
  readonly args: { readonly tenantId: string; readonly after?: string | null };
  readonly context: SubgraphContext;
}

/**
 * The subscriptions. `subscribe` is part of a decorator and has no instance, so the class is created with its feed. `subscribe`
 * both authorizes and filters by tenant: an iterator exists only for the caller's own tenant.
 */
export function createLiveResolver({ feed, tenancy }: LiveOptions): object {
  @Resolver()
  class LiveResolver {
    @Subscription(() => QuotaAlertType, {
      description: "A tenant's alerts after the cursor, or from now on, in order, without gaps or duplicates",
      subscribe: async ({ args, context }: SubscribeCall) => {
        authorize(context.identity, "Subscription.quotaAlerts", args.tenantId);
        await knownTenant(tenancy, args.tenantId);
        return feed.follow(args.tenantId, ALERTS, positionOf(args));
      },
    })
    quotaAlerts(
      @Root() notice: NoticeOf<(typeof ALERTS)[number]>,
      @Arg("tenantId", () => ID, { description: "The tenant's id" }) _tenantId: string,
      @Arg("after", () => CursorScalar, {
        nullable: true,
        description:
          "The `cursor` of the last one that was processed: what came later is sent first. Default: only new ones",
      })
      _after?: string | null,
    ): QuotaAlertType {
      return alertOf(notice);
    }

    @Subscription(() => InvoiceGeneratedType, {
      description: "A tenant's invoices as they are issued, after the cursor, or from now on",
      subscribe: async ({ args, context }: SubscribeCall) => {
        authorize(context.identity, "Subscription.invoiceGenerated", args.tenantId);
        await knownTenant(tenancy, args.tenantId);
        return feed.follow(args.tenantId, INVOICES, positionOf(args));
      },
    })
    invoiceGenerated(
      @Root() { tenantId, number, sequence, data }: NoticeOf<(typeof INVOICES)[number]>,
      @Arg("tenantId", () => ID, { description: "The tenant's id" }) _tenantId: string,
      @Arg("after", () => CursorScalar, {
        nullable: true,
        description:
          "The `cursor` of the last one that was processed: what came later is sent first. Default: only new ones",
      })
      _after?: string | null,
    ): InvoiceGeneratedType {
      return {
        sequence: String(sequence),
        cursor: NOTICES.cursorAt(number, tenantId),
        invoice: { id: data.invoiceId },
      };
    }
  }
  return new LiveResolver();
}

function positionOf({ tenantId, after }: SubscribeCall["args"]): number | undefined {
  return after === null || after === undefined ? undefined : NOTICES.positionOf(after, tenantId);
}
