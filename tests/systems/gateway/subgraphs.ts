import { GraphQLError } from "graphql";
import {
  Arg,
  Ctx,
  Directive,
  Field,
  FieldResolver,
  ID,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
  Subscription,
} from "type-graphql";
import { MetrlyError } from "#kernel/errors.js";
import { CursorScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import { buildSubgraph, type Subgraph, type SubgraphContext } from "#platform/graphql/subgraph.js";
import { createFairTurns, inTurn } from "#platform/lifecycle/fair-turns.js";
import { sleep } from "#platform/lifecycle/time.js";
import { authorize } from "#schema/policy.js";
import { type EventSource, eventSource, type Positioned } from "./event-source.js";

/** Three small subgraphs that resemble the real ones: entities, lists, errors of each kind, live events. */
export interface TestSubgraphs {
  readonly all: readonly Subgraph[];
  readonly alerts: EventSource<Alert>;
  /** The ids of each call of `usage`: one entry per `_entities` call. */
  readonly usageCalls: string[][];
  readonly slow: SlowWork;
}

/** What a query and a mutation do that take as long as told, by the names that they are called with. */
export interface SlowWork {
  /** Those that have reached the subgraph, those that have begun, and those that have ended. */
  readonly asked: string[];
  readonly begun: string[];
  readonly ended: string[];
  /** Lets it end. */
  finish(name: string): void;
  /** Queries have one turn, in which they read page after page. */
  read(name: string, signal: AbortSignal | undefined): Promise<number>;
  change(name: string): Promise<number>;
}

function slowWork(): SlowWork {
  const turns = createFairTurns({ atOnce: 1, perCaller: 1, waitingPerCaller: 9, waiting: 9 });
  const finished = new Set<string>();
  const [asked, begun, ended]: [string[], string[], string[]] = [[], [], []];
  async function untilFinished(name: string, signal?: AbortSignal): Promise<number> {
    begun.push(name);
    let pages = 0;
    for (; !finished.has(name); pages += 1) {
      signal?.throwIfAborted();
      await sleep(2);
    }
    return pages;
  }
  async function noted(name: string, work: () => Promise<number>): Promise<number> {
    asked.push(name);
    return work().finally(() => ended.push(name));
  }
  return {
    ...{ asked, begun, ended },
    finish: (name) => finished.add(name),
    read: (name, signal) =>
      noted(name, () => inTurn(turns, "all", "busy", () => untilFinished(name, signal), { signal })),
    change: (name) => noted(name, () => untilFinished(name)),
  };
}

export interface Alert {
  readonly tenantId: string;
  readonly used: number;
}

export async function buildTestSubgraphs(): Promise<TestSubgraphs> {
  const alerts = eventSource<Alert>();
  const usageCalls: string[][] = [];
  const slow = slowWork();
  return {
    all: [await tenancy(), await quota(alerts, usageCalls), await billing(slow)],
    alerts,
    usageCalls,
    slow,
  };
}

/** The argument that type-graphql passes to `subscribe`. */
interface SubscribeCall {
  readonly args: { readonly tenantId: string; readonly after?: string | null };
  readonly context: SubgraphContext;
}

const NAMES: Readonly<Record<string, string>> = { acme: "Acme", globex: "Globex", initech: "Initech" };

function tenancy(): Promise<Subgraph> {
  @Directive('@key(fields: "id")')
  @ObjectType("Tenant")
  class Tenant {
    @Field(() => ID) id!: string;
    @Field(() => String) name!: string;
  }
  @ObjectType()
  class TenantConnection {
    @Field(() => [Tenant]) nodes!: Tenant[];
  }
  const tenants = Object.entries(NAMES).map(([id, name]): Tenant => ({ id, name }));
  const find = (id: unknown) => tenants.find((tenant) => tenant.id === id) ?? null;

  @Resolver(() => Tenant)
  class TenancyResolver {
    @Query(() => String) whoAmI(@Ctx() context: SubgraphContext): string {
      return context.identity.id;
    }
    @Query(() => Tenant, { nullable: true }) tenant(@Arg("id", () => ID) id: string, @Ctx() context: SubgraphContext) {
      authorize(context.identity, "Query.tenant", id);
      return find(id);
    }
    @Query(() => TenantConnection) tenants(
      @Arg("first", () => Int, { defaultValue: 50 }) first: number,
      @Ctx() context: SubgraphContext,
    ): TenantConnection {
      authorize(context.identity, "Query.tenants");
      return { nodes: tenants.slice(0, first) };
    }
    @Query(() => String, { nullable: true }) crash(): string {
      throw new Error("the database password is hunter2");
    }
    @Query(() => String, { nullable: true }) uncoded(): string {
      throw new GraphQLError("table app_secret does not exist");
    }
    @Query(() => String, { nullable: true }) conflict(): string {
      throw new MetrlyError("CONFLICT", "The id is taken", { takenBy: "acme" });
    }
    @Query(() => DecimalScalar) echo(@Arg("amount", () => DecimalScalar) amount: string): string {
      return amount;
    }
    @Mutation(() => String) rename(@Arg("name", () => String) name: string, @Ctx() context: SubgraphContext): string {
      authorize(context.identity, "Mutation.createTenant");
      return name;
    }
  }
  return buildSubgraph({
    name: "tenancy",
    afterMutation: async () => ({ version: 7, complete: false, missing: [{ role: "quota", instance: "quota-1" }] }),
    resolvers: [new TenancyResolver()],
    references: { Tenant: ({ id }) => find(id) },
  });
}

function quota(alerts: EventSource<Alert>, usageCalls: string[][]): Promise<Subgraph> {
  @Directive('@key(fields: "id")')
  @ObjectType("Tenant")
  class Tenant {
    @Field(() => ID) id!: string;
  }
  @ObjectType("QuotaAlert")
  class QuotaAlert {
    @Field(() => CursorScalar) cursor!: string;
    @Field(() => Int) used!: number;
    @Field(() => String) seenBy!: string;
    @Field(() => Tenant) tenant!: Tenant;
  }
  let callsThisTurn: string[] | undefined;

  @Resolver(() => Tenant)
  class QuotaResolver {
    @Query(() => Boolean) quotaReady(): boolean {
      return true;
    }
    @FieldResolver(() => Int, { nullable: true }) usage(@Root() tenant: Tenant): number {
      if (tenant.id === "initech") throw new MetrlyError("UNAVAILABLE", "This counter is being rebuilt");
      return tenant.id.length;
    }
    @Subscription(() => QuotaAlert, {
      subscribe: ({ args, context }: SubscribeCall) => {
        authorize(context.identity, "Subscription.quotaAlerts", args.tenantId);
        const after = args.after ?? undefined;
        return alerts.open(({ tenantId }) => tenantId === args.tenantId, after === undefined ? after : Number(after));
      },
    })
    quotaAlerts(
      @Arg("tenantId", () => ID) _tenantId: string,
      @Root() { event, position }: Positioned<Alert>,
      @Ctx() context: SubgraphContext,
      @Arg("after", () => CursorScalar, { nullable: true }) _after?: string | null,
    ): QuotaAlert {
      const tenant = { id: event.tenantId };
      return { cursor: String(position), used: event.used, seenBy: context.identity.id, tenant };
    }
  }
  return buildSubgraph({
    name: "quota",
    resolvers: [new QuotaResolver()],
    references: {
      Tenant(reference) {
        if (callsThisTurn === undefined) {
          callsThisTurn = [];
          usageCalls.push(callsThisTurn);
          queueMicrotask(() => {
            callsThisTurn = undefined;
          });
        }
        callsThisTurn.push(String(reference.id));
        return { id: reference.id };
      },
    },
  });
}

function billing(slow: SlowWork): Promise<Subgraph> {
  @ObjectType("LineStep")
  class LineStep {
    @Field(() => DecimalScalar) quantity!: string;
  }
  @ObjectType("InvoiceLine")
  class InvoiceLine {
    @Field(() => [LineStep]) arithmetic!: LineStep[];
  }
  @Directive('@key(fields: "id")')
  @ObjectType("Invoice")
  class Invoice {
    @Field(() => ID) id!: string;
    @Field(() => [InvoiceLine]) lines!: InvoiceLine[];
    @Field(() => Tenant) tenant!: object;
  }
  @ObjectType("InvoiceConnection")
  class InvoiceConnection {
    @Field(() => [Invoice]) nodes!: Invoice[];
  }
  @Directive('@key(fields: "id")')
  @ObjectType("Tenant")
  class Tenant {
    @Field(() => ID) id!: string;
  }
  @Resolver(() => InvoiceLine)
  class LineResolver {
    @FieldResolver(() => Int, { nullable: true }) faulty(): number {
      throw new MetrlyError("CONFLICT", "This line is being rebuilt");
    }
  }
  @Resolver(() => Invoice)
  class InvoiceResolver {
    @FieldResolver(() => Int) required(): number {
      throw new MetrlyError("CONFLICT", "This invoice is being rebuilt");
    }
  }
  @Resolver(() => Tenant)
  class BillingResolver {
    @FieldResolver(() => InvoiceConnection, { nullable: true }) invoices(
      @Root() tenant: Tenant,
      @Arg("first", () => Int, { defaultValue: 50 }) first: number,
    ): InvoiceConnection {
      const invoice = { id: `${tenant.id}-1`, lines: [{ arithmetic: [{ quantity: "3" }] }], tenant };
      return { nodes: [invoice].slice(0, first) };
    }
    @Query(() => Boolean, { nullable: true }) billingReady(): boolean {
      return true;
    }
    @Query(() => Int) slowRead(@Arg("name", () => String) name: string, @Ctx() { signal }: SubgraphContext) {
      return slow.read(name, signal);
    }
    @Mutation(() => Int) slowChange(@Arg("name", () => String) name: string) {
      return slow.change(name);
    }
  }
  return buildSubgraph({
    name: "billing",
    resolvers: [new BillingResolver(), new InvoiceResolver(), new LineResolver()],
    references: { Tenant: ({ id }) => ({ id }), Invoice: ({ id }) => ({ id, lines: [], tenant: { id: "acme" } }) },
    orphanedTypes: [Tenant],
  });
}
