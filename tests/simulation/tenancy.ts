import { systemClock } from "#platform/process/clock.js";
import { createTenancyState, type TenancyCopy } from "#platform/tenancy-client/copy.js";
import type {
  MeterState,
  PlanState,
  PriceState,
  TenancyChangedV1,
  TenantState,
} from "#schema/events/tenancy-changed.v1.js";

/** What tenancy says in a simulation: it does not change. */

export const TENANTS = ["acme", "bolt", "cargo"] as const;
/** The days after a period's end in which its usage still arrives. */
export const GRACE_DAYS = 3;

/** One meter, and its price per unit in thousandths of the currency's unit. */
export const METERS = [
  { id: "calls", type: "api.request", isSum: false, unitThousandths: 5 },
  { id: "bytes", type: "api.transfer", isSum: true, unitThousandths: 17 },
] as const;

const VERSION = 1;
/** Shortly before the run: a jumped clock ends few periods. */
const STARTS_AT = Date.UTC(2026, 0, 1);

const meter = ({ id, type, isSum }: (typeof METERS)[number]): MeterState => ({
  kind: "meter",
  id,
  version: VERSION,
  name: id,
  eventType: type,
  aggregation: isSum ? "SUM" : "COUNT",
  valueProperty: isSum ? "amount" : null,
  dimensions: [],
  unit: null,
  createdInVersion: VERSION,
  archivedInVersion: null,
});

const price = ({ id, unitThousandths }: (typeof METERS)[number]): PriceState => ({
  meter: id,
  model: "PER_UNIT",
  included: "0",
  unitAmount: `0.${String(unitThousandths).padStart(3, "0")}`,
  packageSize: null,
  ratePercent: null,
  tiers: [],
  divideBy: "1",
  roundUp: false,
  minimumAmount: null,
  maximumAmount: null,
  discountPercent: "0",
  where: [],
});

const PLAN: PlanState = {
  kind: "plan",
  id: "pro",
  version: VERSION,
  name: "pro",
  archived: false,
  versions: [
    {
      version: 1,
      publishedAt: 0,
      publishedInVersion: VERSION,
      currency: "EUR",
      recurringFee: "0",
      minimumCommit: "0",
      prices: METERS.map(price),
      limits: [],
    },
  ],
};

const tenant = (id: string): TenantState => ({
  kind: "tenant",
  id,
  version: VERSION,
  name: id,
  status: "ACTIVE",
  createdAt: STARTS_AT,
  createdInVersion: VERSION,
  billingAnchorDay: 1,
  startsAt: STARTS_AT,
  currency: "EUR",
  testClock: null,
  graceDays: [{ days: GRACE_DAYS, inVersion: VERSION }],
  assignments: [
    { planId: PLAN.id, planVersion: 1, effectiveFrom: STARTS_AT, inVersion: VERSION, cancelledInVersion: null },
  ],
  closedInVersion: null,
});

const STATES: readonly TenancyChangedV1[] = [PLAN, ...TENANTS.map(tenant), ...METERS.map(meter)];

/** The same in every process. */
export function tenancyCopy(): TenancyCopy {
  const state = createTenancyState(systemClock);
  for (const one of STATES) state.apply(one);
  return { ...state.reads, stop: async () => state.close() };
}
