import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { hasClockOf, isZoneName } from "#kernel/time-zones/calendar.js";
import { UpgradeRequired } from "#kernel/upgrade-required.js";
import {
  AGGREGATIONS,
  API_KEY_SCOPES,
  LIMIT_KINDS,
  LIMIT_UNITS,
  PRICE_MODELS,
  PRORATIONS,
  QUOTA_WINDOWS,
  TENANT_STATUSES,
} from "../vocabulary.js";
import { ContractViolation, contract, decimalText, epochMs, oneOf } from "./contract.js";
import { growing } from "./growing.js";

/** A tenancy version: every change gets the next one, so a version is a position in tenancy's history. */
const version = Type.Integer({ minimum: 1 });

const DimensionMatch = Type.Object({ dimension: Type.String(), value: Type.String() });
const PriceTier = Type.Object({
  /** Inclusive; null in the last tier. */
  upTo: Type.Union([decimalText, Type.Null()]),
  unitAmount: decimalText,
  flatAmount: decimalText,
});
const Price = Type.Object({
  meter: Type.String(),
  model: growing("price model", oneOf(PRICE_MODELS)),
  included: decimalText,
  unitAmount: Type.Union([decimalText, Type.Null()]),
  packageSize: Type.Union([decimalText, Type.Null()]),
  ratePercent: Type.Union([decimalText, Type.Null()]),
  tiers: Type.Array(PriceTier),
  divideBy: decimalText,
  roundUp: Type.Boolean(),
  minimumAmount: Type.Union([decimalText, Type.Null()]),
  maximumAmount: Type.Union([decimalText, Type.Null()]),
  discountPercent: decimalText,
  where: Type.Array(DimensionMatch),
  /** Claims the meter's usage that no other price of the plan claims; `where` is empty. */
  catchAll: Type.Optional(Type.Boolean()),
});
const QuotaLimit = Type.Object({
  /** Null: counts requests, one per `consume`. */
  meter: Type.Union([Type.String(), Type.Null()]),
  window: growing("limit window", oneOf(QUOTA_WINDOWS)),
  kind: growing("limit kind", oneOf(LIMIT_KINDS)),
  limit: decimalText,
  /** Fractions of the limit, ascending, e.g. "0.8". */
  warnAt: Type.Array(decimalText),
  /** Amounts that warn, ascending; absent: none. */
  warnAtAmounts: Type.Optional(Type.Array(decimalText, { minItems: 1 })),
  /** Each multiple of this amount warns; absent: none does. */
  warnEvery: Type.Optional(decimalText),
});
/** What a limit counts by, beside its meter and window; a state that has one of these is of a `dimensioned…` kind. */
const Dimensioned = {
  /** Dimensions, each combination of whose values has a counter of its own; absent: none. */
  by: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  /** Values that usage must have to count, of one dimension at most one; absent: any. */
  where: Type.Optional(Type.Array(DimensionMatch, { minItems: 1 })),
};
const DimensionedLimit = Type.Object({ ...QuotaLimit.properties, ...Dimensioned });
/** A limit that replaces the plan's on the same meter and window. The latest active one wins. */
const QuotaOverride = Type.Object({
  meter: QuotaLimit.properties.meter,
  window: QuotaLimit.properties.window,
  limit: decimalText,
  /** Active until this moment, by the tenant's own clock. */
  until: epochMs,
  reason: Type.String(),
  inVersion: version,
});
const DimensionedOverride = Type.Object({ ...QuotaOverride.properties, ...Dimensioned });
/** A limit in money, and an override that makes a limit soft or hard; a state that has one of these is of a `money…` kind. */
const Unit = { unit: Type.Optional(growing("limit unit", oneOf(LIMIT_UNITS))) };
const MoneyLimit = Type.Object({
  ...DimensionedLimit.properties,
  /** Absent: QUANTITY. MONEY: what all usage of the billing period costs; `meter` is null. */
  ...Unit,
});
const MoneyOverride = Type.Object({
  ...DimensionedOverride.properties,
  ...Unit,
  /** Absent: the plan's. */
  kind: Type.Optional(QuotaLimit.properties.kind),
});
/** Immutable once published. */
const PlanVersion = Type.Object({
  version: Type.Integer({ minimum: 1 }),
  publishedAt: epochMs,
  publishedInVersion: version,
  currency: Type.String(),
  recurringFee: decimalText,
  /** Absent: NONE. */
  recurringFeeProration: Type.Optional(growing("proration", oneOf(PRORATIONS))),
  minimumCommit: decimalText,
  prices: Type.Array(Price),
  limits: Type.Array(QuotaLimit),
  /** Offered to every tenant; absent: only to those that have or had it. */
  public: Type.Optional(Type.Boolean()),
});
const DimensionedVersion = Type.Object({ ...PlanVersion.properties, limits: Type.Array(DimensionedLimit) });
const MoneyVersion = Type.Object({ ...PlanVersion.properties, limits: Type.Array(MoneyLimit) });

/** A name and address on invoices. */
const Party = Type.Object({
  name: Type.String(),
  addressLines: Type.Array(Type.String()),
});

const TenantState = Type.Object({
  kind: Type.Literal("tenant"),
  id: Type.String(),
  version,
  name: Type.String(),
  /** History of the buyer on its invoices, ascending by version; absent: always its name, and no address. */
  buyers: Type.Optional(Type.Array(Type.Object({ ...Party.properties, inVersion: version }), { minItems: 1 })),
  status: growing("tenant status", oneOf(TENANT_STATUSES)),
  createdAt: epochMs,
  createdInVersion: version,
  billingAnchorDay: Type.Integer({ minimum: 1, maximum: 28 }),
  /** Start of the tenant's first billing period. */
  startsAt: epochMs,
  /** When the tenant begins, by its own clock, if that is within its first period and not at its start. */
  beganAt: Type.Optional(epochMs),
  /** Suspensions that fees and commit are not charged for, by the tenant's own clock, ascending; `until` null: it lasts. */
  billingPauses: Type.Optional(
    Type.Array(
      Type.Object({
        from: epochMs,
        until: Type.Union([epochMs, Type.Null()]),
        inVersion: version,
        endedInVersion: Type.Union([version, Type.Null()]),
      }),
    ),
  ),
  currency: Type.Union([Type.String(), Type.Null()]),
  testClock: Type.Union([epochMs, Type.Null()]),
  /** Name in the IANA database; never changes. Absent: UTC. Grows with the database: see `readTenancyChanged`. */
  timeZone: Type.Optional(Type.String()),
  /** History of the grace time, ascending by version. */
  graceDays: Type.Array(Type.Object({ days: Type.Integer({ minimum: 0 }), inVersion: version }), { minItems: 1 }),
  /**
   * History of plan assignments in order of creation. A period's plan is that of the latest assignment (by `inVersion`) that is
   * not cancelled and whose `effectiveFrom` <= period start.
   */
  assignments: Type.Array(
    Type.Object({
      planId: Type.String(),
      planVersion: Type.Integer({ minimum: 1 }),
      effectiveFrom: epochMs,
      inVersion: version,
      cancelledInVersion: Type.Union([version, Type.Null()]),
    }),
  ),
  /** History of quota overrides, ascending by version, without those that ended too long ago to affect any event. */
  quotaOverrides: Type.Optional(Type.Array(QuotaOverride)),
  closedInVersion: Type.Union([version, Type.Null()]),
  /** When it was closed, by the tenant's own clock: the period that contains this moment is the last one charged. */
  closedAt: Type.Optional(Type.Union([epochMs, Type.Null()])),
});
const ApiKeyState = Type.Object({
  kind: Type.Literal("apiKey"),
  id: Type.String(),
  version,
  tenantId: Type.Union([Type.String(), Type.Null()]),
  name: Type.String(),
  prefix: Type.String(),
  /** SHA-256 of the secret, hex. */
  hash: Type.String({ minLength: 64, maxLength: 64 }),
  scopes: Type.Array(growing("key scope", oneOf(API_KEY_SCOPES))),
  test: Type.Boolean(),
  createdAt: epochMs,
  expiresAt: Type.Union([epochMs, Type.Null()]),
  revokedAt: Type.Union([epochMs, Type.Null()]),
});
const MeterState = Type.Object({
  kind: Type.Literal("meter"),
  id: Type.String(),
  version,
  name: Type.String(),
  eventType: Type.String(),
  aggregation: growing("aggregation", oneOf(AGGREGATIONS)),
  valueProperty: Type.Union([Type.String(), Type.Null()]),
  dimensions: Type.Array(Type.String()),
  unit: Type.Union([Type.String(), Type.Null()]),
  /** The meter counts entries stamped with this tenancy version or a later one. */
  createdInVersion: version,
  archivedInVersion: Type.Union([version, Type.Null()]),
  /** It also counts events recorded unmetered before, in periods that were open when the log reached it. */
  backfill: Type.Optional(Type.Boolean()),
  /** When it was archived; entries recorded before are counted. */
  archivedAt: Type.Optional(epochMs),
  /** Versions between which it was archived earlier, ascending: it does not count entries stamped with one of [from, to). */
  archivals: Type.Optional(Type.Array(Type.Object({ fromVersion: version, toVersion: version }))),
});
const PlanState = Type.Object({
  kind: Type.Literal("plan"),
  id: Type.String(),
  version,
  name: Type.String(),
  archived: Type.Boolean(),
  versions: Type.Array(PlanVersion, { minItems: 1 }),
});
/**
 * A plan with limits by dimension or with a filter, and a tenant with overrides of such limits: kinds of their own, so that a
 * process that would ignore `by` and `where` waits. Read as `plan` and `tenant`, and written under the same keys.
 */
const DimensionedPlan = Type.Object({
  ...PlanState.properties,
  kind: Type.Literal("dimensionedPlan"),
  versions: Type.Array(DimensionedVersion, { minItems: 1 }),
});
const DimensionedTenant = Type.Object({
  ...TenantState.properties,
  kind: Type.Literal("dimensionedTenant"),
  quotaOverrides: Type.Optional(Type.Array(DimensionedOverride)),
});
/** The same for limits in money, which a process that ignored their unit would take for limits on requests. */
const MoneyPlan = Type.Object({
  ...PlanState.properties,
  kind: Type.Literal("moneyPlan"),
  versions: Type.Array(MoneyVersion, { minItems: 1 }),
});
const MoneyTenant = Type.Object({
  ...TenantState.properties,
  kind: Type.Literal("moneyTenant"),
  quotaOverrides: Type.Optional(Type.Array(MoneyOverride)),
});
/** The seller on invoices. */
const SellerState = Type.Object({
  kind: Type.Literal("seller"),
  id: Type.Literal("seller"),
  version,
  /** Ascending by version; `party` null: none from then on. */
  history: Type.Array(Type.Object({ party: Type.Union([Party, Type.Null()]), inVersion: version }), { minItems: 1 }),
});
/** A heartbeat, sent every few seconds: a copy without one for 60 s is stale. */
const Heartbeat = Type.Object({
  kind: Type.Literal("heartbeat"),
  id: Type.Literal("heartbeat"),
  version: Type.Integer({ minimum: 0 }),
  at: epochMs,
});

/** The full state of one entity, with the history that readers at older versions need. Key: `kind:id`. */
const KIND_OF_STATE = "kind of state";
const schema = growing(
  KIND_OF_STATE,
  Type.Union([
    ...[TenantState, ApiKeyState, MeterState, PlanState, SellerState, Heartbeat],
    ...[DimensionedPlan, DimensionedTenant, MoneyPlan, MoneyTenant],
  ]),
);

type Stored = Static<typeof schema>;
export type TenancyChangedV1 =
  | TenantState
  | ApiKeyState
  | MeterState
  | PlanState
  | SellerState
  | Static<typeof Heartbeat>;
export type TenantState = Omit<Static<typeof MoneyTenant>, "kind"> & { readonly kind: "tenant" };
export type ApiKeyState = Static<typeof ApiKeyState>;
export type MeterState = Static<typeof MeterState>;
export type PlanState = Omit<Static<typeof MoneyPlan>, "kind"> & { readonly kind: "plan" };
export type SellerState = Static<typeof SellerState>;
export type Party = Static<typeof Party>;
export type PlanVersionState = Static<typeof MoneyVersion>;
export type PriceState = Static<typeof Price>;
export type QuotaOverrideState = Static<typeof MoneyOverride>;
export type QuotaLimitState = Static<typeof MoneyLimit>;
export type DimensionMatchState = Static<typeof DimensionMatch>;

export const tenancyChangedV1 = contract("metrly.tenancy.changed.v1", schema, {
  kind: "meter",
  id: "api_calls",
  version: 3,
  name: "API calls",
  eventType: "api.request",
  aggregation: "COUNT",
  valueProperty: null,
  dimensions: ["region"],
  unit: "call",
  createdInVersion: 3,
  archivedInVersion: null,
});

const isDimensioned = ({ by, where }: Pick<QuotaLimitState, "by" | "where">): boolean =>
  by !== undefined || where !== undefined;

const hasUnitOrKind = ({ unit, kind }: Pick<QuotaOverrideState, "unit" | "kind">): boolean =>
  unit !== undefined || kind !== undefined;

/** The record of a state. */
export function recordOf(state: TenancyChangedV1): Stored {
  if (state.kind === "plan" && state.versions.some(({ limits }) => limits.some(({ unit }) => unit !== undefined)))
    return { ...state, kind: "moneyPlan" };
  if (state.kind === "tenant" && state.quotaOverrides?.some(hasUnitOrKind) === true)
    return { ...state, kind: "moneyTenant" };
  if (state.kind === "plan" && state.versions.some(({ limits }) => limits.some(isDimensioned)))
    return { ...state, kind: "dimensionedPlan" };
  if (state.kind === "tenant" && state.quotaOverrides?.some(isDimensioned) === true)
    return { ...state, kind: "dimensionedTenant" };
  return state;
}

/** The state of a record. */
export function stateOf(record: Stored): TenancyChangedV1 {
  if (record.kind === "dimensionedPlan" || record.kind === "moneyPlan") return { ...record, kind: "plan" };
  if (record.kind === "dimensionedTenant" || record.kind === "moneyTenant") return { ...record, kind: "tenant" };
  return record;
}

const Ancillary = Type.Object({ kind: Type.String(), version, ancillary: Type.Literal(true) });

/**
 * Reads one record. A state of a kind that this version does not know stops the reader with UpgradeRequired, unless its writer
 * declares it `ancillary`: nothing that today's kinds give rise to depends on it. Then it is worth a heartbeat of its version.
 * A time zone that this process's ICU does not have stops the reader, too.
 */
export function readTenancyChanged(text: string): TenancyChangedV1 {
  try {
    const state = stateOf(tenancyChangedV1.read(text));
    if (state.kind === "tenant" && state.timeZone !== undefined) refuseUnknownZone(state.timeZone);
    return state;
  } catch (error) {
    if (!(error instanceof UpgradeRequired && error.unknown.set === KIND_OF_STATE)) throw error;
    const value: unknown = JSON.parse(text);
    if (!Value.Check(Ancillary, value)) throw error;
    return { kind: "heartbeat", id: "heartbeat", version: value.version, at: 0 };
  }
}

function refuseUnknownZone(name: string): void {
  if (hasClockOf(name)) return;
  const contract = tenancyChangedV1.type;
  if (!isZoneName(name)) throw new ContractViolation(`${contract}: /timeZone is no name of a time zone`);
  throw new UpgradeRequired({ contract, set: "time zone", member: name });
}
