import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Arg, Directive, Field, FieldResolver, ID, ObjectType, Resolver, Root } from "type-graphql";
import { formatDecimal } from "#kernel/decimal.js";
import { MetrlyError } from "#kernel/errors.js";
import { enumOf } from "#platform/graphql/enums.js";
import { DateTimeScalar, DecimalScalar } from "#platform/graphql/scalars.js";
import { buildSubgraph, type Subgraph } from "#platform/graphql/subgraph.js";
import { tenantAppears } from "#platform/tenancy-client/await-tenant.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { type Identity, maySee } from "#schema/policy.js";
import { LIMIT_KINDS, QUOTA_WINDOWS } from "#schema/vocabulary.js";
import type { Denials } from "../gate/denial-log.js";
import type { Gate } from "../gate/gate.js";
import { amountsOf, explanationOf, LIMIT_STATES, type LimitReading, type LimitState } from "../rules/decision.js";

const QuotaWindow = enumOf("QuotaWindow", QUOTA_WINDOWS);
const LimitKind = enumOf("LimitKind", LIMIT_KINDS);
const QuotaState = enumOf("QuotaState", LIMIT_STATES);

@Directive("@shareable")
@ObjectType({ description: "`meter` null: counts requests" })
class QuotaLimit {
  @Field(() => String, { nullable: true })
  readonly meter!: string | null;

  @Field(() => QuotaWindow)
  readonly window!: keyof typeof QuotaWindow;

  @Field(() => LimitKind)
  readonly kind!: keyof typeof LimitKind;

  @Field(() => DecimalScalar)
  readonly limit!: string;

  @Field(() => [DecimalScalar])
  readonly warnAt!: readonly string[];
}

@Directive('@key(fields: "ref")')
@ObjectType({ description: "How a limit stands now: the data plane's numbers" })
class QuotaStatus {
  @Directive("@inaccessible")
  @Field(() => String, { description: "Names it to the other services" })
  readonly ref!: string;

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
  readonly state!: LimitState;
}

@Directive('@key(fields: "id")')
@ObjectType()
class Tenant {
  @Field(() => ID)
  readonly id!: string;

  @Directive("@inaccessible")
  @Field(() => DateTimeScalar, { nullable: true, description: "A test tenant's clock as quota knows it" })
  readonly quotaClock!: number | null;
}

@ObjectType({ description: "A limit as it stood when something was denied" })
class QuotaDenialLimit {
  @Field(() => String, { nullable: true })
  readonly meter!: string | null;

  @Field(() => String)
  readonly window!: string;

  @Field(() => String)
  readonly kind!: string;

  @Field(() => DecimalScalar)
  readonly limit!: string;

  @Field(() => DecimalScalar)
  readonly used!: string;

  @Field(() => DecimalScalar)
  readonly reserved!: string;

  @Field(() => DecimalScalar)
  readonly remaining!: string;

  @Field(() => DateTimeScalar)
  readonly resetAt!: number;

  @Field(() => Boolean, { description: "Whether it was this one that denied" })
  readonly denies!: boolean;
}

@ObjectType({ description: "Why a `consume` was denied" })
class QuotaDenial {
  @Field(() => String)
  readonly idempotencyKey!: string;

  @Field(() => DateTimeScalar)
  readonly at!: number;

  @Field(() => String, { nullable: true })
  readonly meter!: string | null;

  @Field(() => DecimalScalar)
  readonly amount!: string;

  @Field(() => String)
  readonly reason!: string;

  @Field(() => String, { description: "The reason in words" })
  readonly explanation!: string;

  @Field(() => DateTimeScalar, { nullable: true, description: "When it was worth asking again" })
  readonly retryAt!: number | null;

  @Field(() => [QuotaDenialLimit])
  readonly limits!: readonly QuotaDenialLimit[];
}

@Resolver(() => Tenant)
class TenantQuotas {
  readonly #gate: Gate;
  readonly #denials: Denials;

  constructor(gate: Gate, denials: Denials) {
    this.#gate = gate;
    this.#denials = denials;
  }

  @FieldResolver(() => QuotaDenial, {
    nullable: true,
    description: "The last denial under this key within an hour, if it is one of the tenant's newest 256",
  })
  async quotaDenial(
    @Root() tenant: Tenant,
    @Arg("idempotencyKey", () => String) idempotencyKey: string,
  ): Promise<QuotaDenial | null> {
    const found = await this.#denials.find(tenant.id, idempotencyKey);
    return found === undefined ? null : { ...found, explanation: explanationOf(found.reason) };
  }

  @FieldResolver(() => [QuotaStatus])
  async quotas(@Root() tenant: Tenant): Promise<readonly QuotaStatus[]> {
    return (await this.#gate.status(tenant.id)).map((read) => statusView(tenant.id, read));
  }
}

function statusView(tenantId: string, read: LimitReading): QuotaStatus {
  const { limit } = read;
  return {
    ref: JSON.stringify({ tenantId, meter: limit.meter, window: limit.window, version: 0 }),
    limit: {
      meter: limit.meter,
      window: limit.window,
      kind: limit.kind,
      limit: limit.text,
      warnAt: limit.warnAt.map(formatDecimal),
    },
    ...amountsOf(read),
    windowStart: read.windowStart,
    resetAt: read.resetAt,
    state: read.state,
  };
}

/** What tenancy calls a limit that it has just changed, and in which of its versions. */
const Ref = Type.Object({
  tenantId: Type.String(),
  meter: Type.Union([Type.String(), Type.Null()]),
  window: Type.String(),
  version: Type.Integer({ minimum: 0 }),
});
/** How long an answer waits for this process to hear of the change that it is about, ms. */
const HEARD_WITHIN_MS = 5_000;

/** The limit that `ref` names, not before what changed it has arrived here. Null: there is none any more. */
async function statusByRef(
  ref: unknown,
  identity: Identity,
  gate: Gate,
  tenancy: Pick<TenancyCopy, "reached" | "tenant" | "onChange">,
): Promise<QuotaStatus | null> {
  const { tenantId, meter, window, version } = Value.Parse(Ref, JSON.parse(String(ref)));
  if (!maySee(identity, "Query.tenant", tenantId)) return null;
  await heard(tenancy, version);
  if (tenancy.tenant(tenantId) === undefined) return null;
  const reads = await gate.status(tenantId);
  const read = reads.find(({ limit }) => limit.meter === meter && limit.window === window);
  return read === undefined ? null : statusView(tenantId, read);
}

async function heard(tenancy: Pick<TenancyCopy, "reached">, version: number): Promise<void> {
  const signal = AbortSignal.timeout(HEARD_WITHIN_MS);
  try {
    await tenancy.reached(version, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new MetrlyError("UNAVAILABLE", "The change is made; quota has not heard of it yet");
  }
}

export interface QuotaGraphOptions {
  readonly gate: Gate;
  readonly tenancy: Pick<TenancyCopy, "reached" | "tenant" | "onChange">;
  readonly denials: Denials;
}

export function buildQuotaSubgraph({ gate, tenancy, denials }: QuotaGraphOptions): Promise<Subgraph> {
  return buildSubgraph({
    name: "quota",
    resolvers: [new TenantQuotas(gate, denials)],
    orphanedTypes: [Tenant],
    references: {
      async Tenant({ id }, { identity }) {
        if (typeof id !== "string" || !maySee(identity, "Query.tenant", id)) return null;
        const tenant = await tenantAppears(tenancy, id);
        return tenant === undefined ? null : { id, quotaClock: tenant.testClock };
      },
      QuotaStatus: ({ ref }, { identity }) => statusByRef(ref, identity, gate, tenancy),
    },
  });
}
