import { Directive, Field, FieldResolver, ID, ObjectType, Resolver, Root, registerEnumType } from "type-graphql";
import { formatDecimal } from "#kernel/decimal.js";
import { DateTimeScalar, DecimalScalar } from "#platform/scalars.js";
import { buildSubgraph, type Subgraph } from "#platform/subgraph.js";
import type { QuotaLimitState } from "#schema/events/tenancy-changed.v1.js";
import { maySee } from "#schema/policy.js";
import type { Gate } from "./gate.js";
import type { LimitReading, LimitStateName } from "./rules/decision.js";

const enumOf = <const T extends readonly string[]>(...names: T): { readonly [K in T[number]]: K } =>
  Object.assign({}, ...names.map((name) => ({ [name]: name })));

const QuotaWindow = enumOf("SECOND", "MINUTE", "HOUR", "DAY", "BILLING_PERIOD");
const LimitKind = enumOf("SOFT", "HARD");
const QuotaState = enumOf("OK", "WARNING", "EXCEEDED", "REBUILDING", "DEGRADED");
registerEnumType(QuotaWindow, { name: "QuotaWindow" });
registerEnumType(LimitKind, { name: "LimitKind" });
registerEnumType(QuotaState, { name: "QuotaState" });

@Directive("@shareable")
@ObjectType({ description: "`meter` null: counts requests" })
class QuotaLimit {
  @Field(() => String, { nullable: true })
  readonly meter!: string | null;

  @Field(() => QuotaWindow)
  readonly window!: QuotaLimitState["window"];

  @Field(() => LimitKind)
  readonly kind!: QuotaLimitState["kind"];

  @Field(() => DecimalScalar)
  readonly limit!: string;

  @Field(() => [DecimalScalar])
  readonly warnAt!: readonly string[];
}

@ObjectType({ description: "How a limit stands now: the data plane's numbers" })
class QuotaStatus {
  @Field(() => QuotaLimit)
  readonly limit!: QuotaLimit;

  @Field(() => DecimalScalar)
  readonly used!: string;

  @Field(() => DecimalScalar, { description: "Admitted by `consume` and not yet settled by recorded usage" })
  readonly reserved!: string;

  @Field(() => DecimalScalar)
  readonly remaining!: string;

  @Field(() => DateTimeScalar)
  readonly windowStart!: number;

  @Field(() => DateTimeScalar, { description: "When all that counts now has left the window" })
  readonly resetAt!: number;

  @Field(() => QuotaState)
  readonly state!: LimitStateName;
}

@Directive('@key(fields: "id")')
@ObjectType()
class Tenant {
  @Field(() => ID)
  readonly id!: string;
}

@Resolver(() => Tenant)
class TenantQuotas {
  readonly #gate: Gate;

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  @FieldResolver(() => [QuotaStatus])
  async quotas(@Root() tenant: Tenant): Promise<readonly QuotaStatus[]> {
    return (await this.#gate.status(tenant.id)).map(statusView);
  }
}

function statusView({ limit, ...read }: LimitReading): QuotaStatus {
  return {
    limit: {
      meter: limit.meter,
      window: limit.window,
      kind: limit.kind,
      limit: formatDecimal(limit.limit),
      warnAt: limit.warnAt.map(formatDecimal),
    },
    used: formatDecimal(read.used),
    reserved: formatDecimal(read.reserved),
    remaining: formatDecimal(read.remaining),
    windowStart: read.windowStart,
    resetAt: read.resetAt,
    state: read.state,
  };
}

export function buildQuotaSubgraph(gate: Gate, hasTenant: (tenantId: string) => boolean): Promise<Subgraph> {
  return buildSubgraph({
    name: "quota",
    resolvers: [new TenantQuotas(gate)],
    orphanedTypes: [Tenant],
    references: {
      Tenant({ id }, { identity }) {
        const known = typeof id === "string" && maySee(identity, "Query.tenant", id) && hasTenant(id);
        return known ? { id } : null;
      },
    },
  });
}
