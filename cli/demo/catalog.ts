import type { PriceInput } from "../graphql/graphql.js";

/** The demo's catalog: four meters, three plans, three tenants. Ids are fixed, so that a second start finds them. */

export const METERS = [
  {
    key: "api_calls",
    name: "API calls",
    eventType: "api.request",
    aggregation: "COUNT",
    dimensions: ["region"],
    unit: "call",
  },
  {
    key: "llm_tokens",
    name: "LLM tokens",
    eventType: "llm.completion",
    aggregation: "SUM",
    valueProperty: "tokens",
    dimensions: ["model"],
    unit: "token",
  },
  { key: "jobs", name: "Jobs run", eventType: "job.finished", aggregation: "COUNT", unit: "job" },
  {
    key: "egress_gb",
    name: "Egress",
    eventType: "egress.measured",
    aggregation: "SUM",
    valueProperty: "gb",
    unit: "GB",
  },
] as const;

const graduatedTokens: PriceInput = {
  meter: "llm_tokens",
  model: "GRADUATED",
  divideBy: "1000",
  tiers: [
    { upTo: "1000", unitAmount: "0.02" },
    { upTo: "10000", unitAmount: "0.015" },
    { upTo: null, unitAmount: "0.01" },
  ],
};

export const PLANS = [
  {
    id: "starter",
    name: "Starter",
    version: {
      currency: "EUR",
      recurringFee: "19",
      prices: [{ meter: "api_calls", model: "PER_UNIT", included: "1000", unitAmount: "0.004" }, graduatedTokens],
      limits: [
        { meter: "api_calls", window: "HOUR", kind: "HARD", limit: "1000" },
        { meter: "llm_tokens", window: "BILLING_PERIOD", kind: "SOFT", limit: "20000000", warnAt: ["0.5", "0.8"] },
      ],
    },
  },
  {
    id: "growth",
    name: "Growth",
    version: {
      currency: "EUR",
      recurringFee: "99",
      prices: [
        { meter: "api_calls", model: "PER_UNIT", included: "5000", unitAmount: "0.003" },
        graduatedTokens,
        { meter: "jobs", model: "PER_UNIT", unitAmount: "0.05" },
      ],
      limits: [
        { meter: "api_calls", window: "HOUR", kind: "HARD", limit: "1900", warnAt: ["0.8"] },
        { meter: "jobs", window: "DAY", kind: "SOFT", limit: "4000", warnAt: ["0.5", "0.8"] },
      ],
    },
  },
  {
    id: "scale",
    name: "Scale",
    version: {
      currency: "USD",
      recurringFee: "490",
      minimumCommit: "1000",
      prices: [
        { meter: "api_calls", model: "PER_UNIT", unitAmount: "0.002" },
        graduatedTokens,
        { meter: "egress_gb", model: "PER_UNIT", included: "100", unitAmount: "0.08" },
      ],
      limits: [{ meter: "egress_gb", window: "HOUR", kind: "SOFT", limit: "40", warnAt: ["0.5", "0.8"] }],
    },
  },
] as const;

/** The seller on the demo's invoices, unless the settings name one. */
export const SELLER = {
  name: "Example Cloud Services GmbH",
  addressLines: ["Musterstraße 12", "10115 Berlin", "Germany", "VAT ID DE000000000"],
};

/** Acme always has room; Globex is near its limit, and denied now and then; Initech is over a soft limit. */
export const TENANTS = [
  {
    id: "acme",
    name: "Acme Search",
    planId: "starter",
    buyer: { name: "Acme Search, Inc.", addressLines: ["548 Market Street", "San Francisco, CA 94104", "USA"] },
  },
  {
    id: "globex",
    name: "Globex Robotics",
    planId: "growth",
    buyer: {
      name: "Globex Robotics Sp. z o.o.",
      addressLines: ["ul. Piotrkowska 104", "90-926 Łódź", "Poland", "VAT ID PL7250010000"],
    },
  },
  {
    id: "initech",
    name: "Initech Data",
    planId: "scale",
    buyer: { name: "Initech Data 株式会社", addressLines: ["2-11-3 Meguro", "Meguro-ku, Tokyo 153-0063", "Japan"] },
  },
] as const;

export type DemoTenantId = (typeof TENANTS)[number]["id"];

/** Prepaid credits, which pay for the usage of the running month. */
export const GRANTS = [
  { tenantId: "globex", id: "demo-top-up", amount: "50.00", reason: "Paid in advance", priority: 1 },
  { tenantId: "globex", id: "demo-welcome", amount: "5.00", reason: "Welcome", priority: 0 },
] as const;
