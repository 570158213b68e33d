import { Arg, Args, Ctx, Directive, FieldResolver, ID, Mutation, Query, Resolver, Root } from "type-graphql";
import { answerSizeOf } from "#platform/graphql/answer-size.js";
import { batched } from "#platform/graphql/batched.js";
import { PageArguments } from "#platform/graphql/page-types.js";
import { numberedList, type Page } from "#platform/graphql/pagination.js";
import { CountScalar, JsonScalar } from "#platform/graphql/scalars.js";
import { buildSubgraph, type Subgraph, type SubgraphContext } from "#platform/graphql/subgraph.js";
import type { Audit } from "#platform/tenancy-client/audit-log.js";
import { authorize, type Identity, maySee } from "#schema/policy.js";
import type { AccountingAnswer } from "../accounting/accounting.js";
import type { EventControl, EventKey } from "../control/event-control.js";
import { type AccountingQuestion, decodeAccountingId } from "../rules/accounting-id.js";
import type { ConflictKey } from "../store/conflicts.js";
import type { EventLookup } from "../store/event-lookup.js";
import type { QuarantinePosition } from "../store/quarantined-data.js";
import {
  AccountingType,
  type EventView,
  eventView,
  quarantinedView,
  UsageEventConnectionType,
  UsageEventType,
} from "./types.js";

export interface IngestionGraph {
  readonly events: EventLookup;
  readonly control: EventControl;
  readonly audit: Audit;
  /** In the order of the queries. */
  measureAccountings(questions: readonly AccountingQuestion[]): Promise<readonly AccountingAnswer[]>;
}

/** In quarantine order. */
const QUARANTINE = numberedList("quarantine");

@Resolver()
class EventResolver {
  constructor(private readonly graph: IngestionGraph) {}

  @Directive("@cost(weight: 10)")
  @Query(() => UsageEventType, {
    nullable: true,
    description: "An event; null: it was rejected, never sent, or is not recorded yet",
  })
  async event(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Arg("source", () => String, { description: "The event's `source`" }) source: string,
    @Arg("id", () => String, { description: "The event's `id`" }) id: string,
  ): Promise<EventView | null> {
    if (!maySee(identity, "Query.event", tenantId)) return null;
    const found = await this.graph.events.find(tenantId, source, id);
    return found === undefined ? null : eventView(found);
  }

  @Query(() => UsageEventConnectionType, {
    description:
      "Events that are not counted because they contradict another one, cannot be read by a meter, or have too many dimension values; oldest first, including refused ones",
  })
  async quarantinedEvents(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Args(() => PageArguments) args: PageArguments,
  ): Promise<Page<EventView>> {
    authorize(identity, "Query.quarantinedEvents", tenantId);
    const page = QUARANTINE.open(args, tenantId);
    const events = await this.graph.events.quarantined(tenantId, page.after ?? 0, page.take);
    return page.of(events, (event) => event.position, quarantinedView);
  }

  @Mutation(() => UsageEventType, {
    description:
      "Voids a recorded event, with an immutable control record: it no longer counts. If its period is closed, the next invoice corrects it. CONFLICT: it is not recorded",
  })
  async voidEvent(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Arg("source", () => String, { description: "The event's `source`" }) source: string,
    @Arg("id", () => String, { description: "The event's `id`" }) id: string,
    @Arg("reason", () => String, { description: "Why, for the audit log; at most 1,000 characters" }) reason: string,
  ): Promise<EventView> {
    authorize(identity, "Mutation.voidEvent", tenantId);
    const event = await this.graph.control.voidEvent({ tenantId, source, id }, { reason, actor: identity.id });
    await this.audit(identity, "event.void", { tenantId, source, id }, { reason });
    return eventView(event);
  }

  @Mutation(() => UsageEventType, {
    description:
      "Accepts a quarantined event, or refuses it permanently. NOT_FOUND: no such event waits. CONFLICT: it cannot be accepted, because the recorded event with its id counts (void that first), or a meter cannot read it",
  })
  async resolveQuarantined(
    @Ctx() { identity }: SubgraphContext,
    @Arg("tenantId", () => ID, { description: "The tenant's id" }) tenantId: string,
    @Arg("source", () => String, { description: "The event's `source`" }) source: string,
    @Arg("id", () => String, { description: "The event's `id`" }) id: string,
    @Arg("accept", () => Boolean, { description: "true: count it, at its own `time`. false: never" }) accept: boolean,
    @Arg("reason", () => String, { description: "Why, for the audit log; at most 1,000 characters" }) reason: string,
  ): Promise<EventView> {
    authorize(identity, "Mutation.resolveQuarantined", tenantId);
    const decision = { reason, actor: identity.id };
    const event = await this.graph.control.resolve({ tenantId, source, id }, accept, decision);
    await this.audit(identity, accept ? "event.accept" : "event.refuse", { tenantId, source, id }, { reason });
    return eventView(event);
  }

  private audit(who: Identity, action: string, { tenantId, source, id }: EventKey, after: object): Promise<void> {
    return this.graph.audit.record(who, { action, target: `event:${source}/${id}`, tenantId, after });
  }
}

@Resolver(() => UsageEventType)
class EventDetailsResolver {
  private readonly inQuarantine;
  private readonly conflictsOf;

  constructor({ events }: IngestionGraph) {
    this.conflictsOf = batched((asked: readonly ConflictKey[]) => events.conflicts(asked));
    this.inQuarantine = batched((asked: readonly QuarantinePosition[], context) =>
      events.quarantinedData(asked, (bytes) => answerSizeOf(context).assertFits(bytes)),
    );
  }

  @FieldResolver(() => CountScalar, {
    description: "Number of events received later with the same source and id, but another type or data",
  })
  async conflicts(@Root() event: EventView, @Ctx() context: SubgraphContext): Promise<number> {
    return (await this.conflictsOf(context, event)).count;
  }

  /** Up to 64 KiB. */
  @Directive("@cost(weight: 50)")
  @FieldResolver(() => JsonScalar, { description: "The event's `data`, as sent; up to 64 KiB" })
  async data(@Root() { place }: EventView, @Ctx() context: SubgraphContext): Promise<unknown> {
    return JSON.parse("text" in place ? place.text : await this.inQuarantine(context, place));
  }
}

/** Ingestion's part of the graph. */
export function buildIngestionSubgraph(graph: IngestionGraph): Promise<Subgraph> {
  const accountingOf = batched(graph.measureAccountings);
  return buildSubgraph({
    name: "ingestion",
    resolvers: [new EventResolver(graph), new EventDetailsResolver(graph)],
    orphanedTypes: [AccountingType],
    references: {
      async Accounting(reference, context): Promise<AccountingType | null> {
        const question = decodeAccountingId(reference.id);
        if (question === undefined || !maySee(context.identity, "Query.tenant", question.tenantId)) return null;
        return { id: String(reference.id), ...(await accountingOf(context, question)) };
      },
    },
  });
}
