import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Arg, FieldResolver, Resolver, Root } from "type-graphql";
import { formatDecimal } from "#kernel/decimal.js";
import { MetrlyError } from "#kernel/errors.js";
import { buildSubgraph, type Subgraph } from "#platform/graphql/subgraph.js";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import { tenantOrNone } from "#platform/tenancy-client/caught-up.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { type Identity, maySee } from "#schema/policy.js";
import type { DenialLog } from "../gate/denial-log.js";
import type { Gate } from "../gate/gate.js";
import { amountsOf, explanationOf, type LimitReading, unitOf } from "../rules/decision.js";
import type { LimitInForce } from "../rules/limits.js";
import { type Dimensions, faultOf, scopeOf } from "../rules/scopes.js";
import { DimensionMatchInput, QuotaDenial, QuotaStatus, Tenant } from "./types.js";

@Resolver(() => Tenant)
class TenantQuotas {
  constructor(
    private readonly gate: Gate,
    private readonly denials: DenialLog,
  ) {}

  @FieldResolver(() => QuotaDenial, {
    nullable: true,
    description: "The last denial of this key within the last hour, if it is among the tenant's newest 256",
  })
  async quotaDenial(
    @Root() tenant: Tenant,
    @Arg("idempotencyKey", () => String, { description: "The `idempotencyKey` of the denied `consume`" })
    idempotencyKey: string,
  ): Promise<QuotaDenial | null> {
    const found = await this.denials.find(tenant.id, idempotencyKey);
    if (found === undefined) return null;
    const limits = found.limits.map(({ unit, currency, dimensions = [], where = [], ...limit }) => ({
      ...limit,
      unit: unit ?? ("QUANTITY" as const),
      currency: currency ?? null,
      ...{ dimensions, where },
    }));
    const { meter, amount, usage = meter === null ? [] : [{ meter, amount }] } = found;
    return { ...found, usage, limits, explanation: explanationOf(found.reason) };
  }

  @FieldResolver(() => [QuotaStatus], { description: "The limits in force, with what is used and left" })
  async quotas(
    @Root() tenant: Tenant,
    @Arg("meter", () => String, { nullable: true, description: "Only limits on this meter; default: all limits" })
    meter: string | null,
    @Arg("dimensions", () => [DimensionMatchInput], {
      nullable: true,
      description:
        "Of limits with `by`, only combinations with these values: at most 200 with recorded usage, most used first; of values of every dimension of a limit, that combination, also without usage",
    })
    dimensions: readonly DimensionMatchInput[] | null,
  ): Promise<readonly QuotaStatus[]> {
    const values = valuesOf(dimensions ?? []);
    const reads = await this.gate.status(tenant.id, (limit) => meter == null || limit.meter === meter, values);
    return reads.map((read) => statusView(tenant.id, read));
  }
}

/** Throws INVALID. */
function valuesOf(dimensions: readonly DimensionMatchInput[]): Dimensions {
  const values = new Map(dimensions.map(({ dimension, value }) => [dimension, value]));
  if (values.size < dimensions.length) throw new MetrlyError("INVALID", "dimensions: names a dimension twice");
  for (const [index, { value }] of dimensions.entries()) {
    const fault = faultOf(value);
    if (fault !== undefined) throw new MetrlyError("INVALID", `dimensions[${index}].value: ${fault}`);
  }
  return values;
}

function statusView(tenantId: string, read: LimitReading): QuotaStatus {
  const { limit } = read;
  const { by = [], where = [] } = limit.counter.scope ?? {};
  const scope = {
    ...(by.length > 0 && { by }),
    ...(where.length > 0 && { where }),
    ...(limit.money && { unit: "MONEY" }),
  };
  return {
    ref: JSON.stringify({ tenantId, meter: limit.meter, window: limit.window, ...scope, version: 0 }),
    dimensions: read.dimensions,
    limit: {
      meter: limit.meter,
      unit: unitOf(limit),
      currency: limit.money?.currency ?? null,
      window: limit.window,
      kind: limit.kind,
      limit: limit.text,
      by,
      where,
      warnAt: limit.warnAt.map(formatDecimal),
      warnAtAmounts: (limit.warnAtAmounts ?? []).map(formatDecimal),
      warnEvery: limit.warnEvery === undefined ? null : formatDecimal(limit.warnEvery),
    },
    ...amountsOf(read),
    windowStart: read.windowStart,
    resetAt: read.resetAt,
    state: read.state,
    meterArchived: limit.meterArchived,
  };
}

/** Tenancy's reference to a limit that it has just changed, with the version of the change. */
const Ref = Type.Object({
  tenantId: Type.String(),
  meter: Type.Union([Type.String(), Type.Null()]),
  window: Type.String(),
  unit: Type.Optional(Type.Literal("MONEY")),
  by: Type.Optional(Type.Array(Type.String())),
  where: Type.Optional(Type.Array(Type.Object({ dimension: Type.String(), value: Type.String() }))),
  version: Type.Integer({ minimum: 0 }),
});
/** How long a query waits for this process to reach the referenced change, ms. */
const HEARD_WITHIN_MS = 5_000;

/** The limit that `ref` names, once the change has reached this process. Null: it no longer exists. */
async function statusByRef(
  ref: unknown,
  identity: Identity,
  gate: Gate,
  tenancy: Pick<TenancyCopy, "reached" | "caughtUp" | "tenant">,
): Promise<QuotaStatus | null> {
  const { tenantId, meter, window, version, unit, ...limitScope } = Value.Parse(Ref, JSON.parse(String(ref)));
  if (!maySee(identity, "Query.tenant", tenantId)) return null;
  await heard(tenancy, version);
  if (tenancy.tenant(tenantId) === undefined) return null;
  const scope = scopeOf(limitScope);
  const isMeant = ({ counter, ...limit }: LimitInForce) =>
    limit.meter === meter && limit.window === window && counter.scope?.id === scope?.id && counter.unit === unit;
  const [used] = await gate.status(tenantId, isMeant);
  // Of a limit with `by` that nothing counts in yet, the combination without values.
  const [read = used] =
    used === undefined ? await gate.status(tenantId, isMeant, new Map(scope?.by.map((name) => [name, ""]))) : [];
  return read === undefined ? null : statusView(tenantId, read);
}

async function heard(tenancy: Pick<TenancyCopy, "reached">, version: number): Promise<void> {
  const signal = timeoutSignal(HEARD_WITHIN_MS);
  try {
    await tenancy.reached(version, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new MetrlyError("UNAVAILABLE", "The change took effect, but has not reached quota yet");
  }
}

export interface QuotaGraphOptions {
  readonly gate: Gate;
  readonly tenancy: Pick<TenancyCopy, "reached" | "caughtUp" | "tenant">;
  readonly denials: DenialLog;
}

export function buildQuotaSubgraph({ gate, tenancy, denials }: QuotaGraphOptions): Promise<Subgraph> {
  return buildSubgraph({
    name: "quota",
    resolvers: [new TenantQuotas(gate, denials)],
    orphanedTypes: [Tenant],
    references: {
      async Tenant({ id }, { identity }) {
        if (typeof id !== "string" || !maySee(identity, "Query.tenant", id)) return null;
        const tenant = await tenantOrNone(tenancy, id);
        return tenant === undefined ? null : { id, quotaClock: tenant.testClock };
      },
      QuotaStatus: ({ ref }, { identity }) => statusByRef(ref, identity, gate, tenancy),
    },
  });
}
