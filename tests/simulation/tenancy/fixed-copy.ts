import { systemClock } from "#platform/process/clock.js";
import { createTenancyState, type TenancyCopy } from "#platform/tenancy-client/copy.js";
import type {
  MeterState,
  PlanState,
  PriceState,
  QuotaLimitState,
  TenancyChangedV1,
  TenantState,
} from "#schema/events/tenancy-changed.v1.js";
import type { Instance } from "../engine/instance.js";
import { type PlanTerms, PRO, SPEND, SPENDS_FROM } from "../terms/plans.js";
import {
  FIRST_VERSION,
  GRACE_DAYS,
  LANES,
  LATE_METER,
  LATE_VERSION,
  LIMITS,
  METERS,
  type MeterTerms,
  OTHER_LANES,
  type PriceTerms,
  STARTS_AT,
  TENANTS,
} from "../terms/terms.js";
import type { LateMeter } from "./late-meter.js";

/** The terms of a simulation, as tenancy says them. They do not change, but for the late meter. */

const VERSION = FIRST_VERSION;

const meter = ({ id, type, aggregation }: MeterTerms, version = VERSION, dimensions: string[] = []): MeterState => ({
  kind: "meter",
  id,
  version,
  name: id,
  eventType: type,
  aggregation,
  valueProperty: aggregation === "COUNT" ? null : "amount",
  dimensions,
  unit: null,
  createdInVersion: version,
  archivedInVersion: null,
});

const moneyText = (millionths: number): string => String(millionths / 1_000_000);

const price = ({ meter, lane, by, included = 0, discountPercent = 0, minimum, maximum }: PriceTerms): PriceState => ({
  meter,
  model: by.model,
  included: String(included),
  unitAmount: "unit" in by ? moneyText(by.unit) : null,
  packageSize: "size" in by ? String(by.size) : null,
  ratePercent: "permille" in by ? String(by.permille / 10) : null,
  tiers:
    "tiers" in by
      ? by.tiers.map(({ upTo, unit, flat }) => ({
          upTo: upTo === null ? null : String(upTo),
          unitAmount: moneyText(unit),
          flatAmount: moneyText(flat),
        }))
      : [],
  divideBy: "1",
  roundUp: false,
  minimumAmount: minimum === undefined ? null : moneyText(minimum),
  maximumAmount: maximum === undefined ? null : moneyText(maximum),
  discountPercent: String(discountPercent),
  where: lane === undefined || lane === OTHER_LANES ? [] : [{ dimension: "lane", value: lane }],
  ...(lane === OTHER_LANES && { catchAll: true }),
});

const centsText = (cents: number): string => String(cents / 100);

const LIMIT_STATES: readonly QuotaLimitState[] = LIMITS.map(({ limit, warnAt, ...rest }) => ({
  ...{ ...rest, limit: String(limit), warnAt: [...warnAt] },
}));
const ofLanes = (limit: number) =>
  ({ meter: LANES.meter, window: "BILLING_PERIOD", kind: "HARD", limit: String(limit), warnAt: [] }) as const;
const LANE_LIMITS: readonly QuotaLimitState[] = [
  { ...ofLanes(LANES.each), warnAt: [], by: ["lane"] },
  { ...ofLanes(LANES.ofNamed), warnAt: [], where: [{ dimension: "lane", value: LANES.named }] },
];

const SPEND_LIMITS: readonly QuotaLimitState[] = SPEND.spend
  ? [
      {
        ...{ meter: null, unit: "MONEY", window: "BILLING_PERIOD", kind: "HARD" },
        ...{ limit: centsText(SPEND.spend.limit), warnAt: [...SPEND.spend.warnAt] },
      },
    ]
  : [];

const plan = ({ id, prices, fee, commit }: PlanTerms, limits: readonly QuotaLimitState[]): PlanState => ({
  kind: "plan",
  id,
  version: VERSION,
  name: id,
  archived: false,
  versions: [
    {
      version: 1,
      publishedAt: 0,
      publishedInVersion: VERSION,
      currency: "EUR",
      recurringFee: centsText(fee),
      minimumCommit: centsText(commit),
      prices: prices.map(price),
      limits: [...limits],
    },
  ],
});

const assigned = (planId: string, effectiveFrom: number): TenantState["assignments"][number] => ({
  ...{ planId, planVersion: 1, effectiveFrom, inVersion: VERSION, cancelledInVersion: null },
});

function tenant(id: string, withMoney: boolean): TenantState {
  const from = withMoney ? SPENDS_FROM[id] : undefined;
  return {
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
      ...(from === STARTS_AT ? [] : [assigned(PRO.id, STARTS_AT)]),
      ...(from === undefined ? [] : [assigned(SPEND.id, from)]),
    ],
    closedInVersion: null,
  };
}

export interface CopyOptions {
  readonly lateMeter: LateMeter | undefined;
  readonly withLanes: boolean;
  readonly withMoney: boolean;
}

function statesOf({ withLanes, withMoney }: CopyOptions): readonly TenancyChangedV1[] {
  const limits = [...LIMIT_STATES, ...(withLanes ? LANE_LIMITS : [])];
  const ofLanes = withLanes || withMoney ? ["lane"] : [];
  return [
    plan(PRO, limits),
    ...(withMoney ? [plan(SPEND, [...limits, ...SPEND_LIMITS])] : []),
    ...TENANTS.map((id) => tenant(id, withMoney)),
    ...METERS.map((terms) => meter(terms, VERSION, terms.id === LANES.meter ? ofLanes : [])),
  ];
}

const LATE: MeterState = { ...meter(LATE_METER, LATE_VERSION), backfill: true };

/** As known in the end, to who looks from outside. */
export function tenancyOf(options: CopyOptions): TenancyCopy {
  const state = createTenancyState(systemClock);
  for (const one of [...statesOf(options), ...(options.lateMeter === undefined ? [] : [LATE])]) state.apply(one);
  return { ...state.reads, caughtUp: async () => undefined, stop: async () => state.close() };
}

/** The same in every process, which learns of the late meter in its own time. */
export function tenancyCopy(instance: Instance, options: CopyOptions): TenancyCopy {
  const state = createTenancyState(systemClock);
  for (const one of statesOf(options)) state.apply(one);
  const catchUp = options.lateMeter?.follow(instance, () => state.apply(LATE));
  return { ...state.reads, caughtUp: async () => catchUp?.(), stop: async () => state.close() };
}
