import type { Bug } from "./bug.js";

/** From limits in money, with the tests that were written for them. */
export const MONEY: readonly Bug[] = [
  {
    name: "money-reserved-by-others-forgotten",
    wrong: "several requests at once spend more than a limit in money",
    breaks: "hard limits are never overspent",
    hole: { ownTest: "workers/quota/money/charges.test.ts" },
    edits: [
      {
        file: "workers/quota/counters/tenant/money.ts",
        find: "if (hardLimit === null || taken + asked <= hardLimit)",
        put: "if (hardLimit === null || used + asked <= hardLimit)",
      },
    ],
  },
  {
    name: "money-of-the-cheaper-tier-only",
    wrong: "with a VOLUME price, a tenant spends more than its limit by using less than it reserved",
    breaks: "hard limits are never overspent",
    hole: { ownTest: "schema/rating/amounts.test.ts" },
    edits: [
      {
        file: "schema/rating/amounts.ts",
        find: "      if (end >= to) break;",
        put: "      if (end >= from) break;",
      },
    ],
  },
  {
    name: "money-of-before-the-plan-forgotten",
    wrong: "a tenant with its first plan spends its limit twice: usage of before is charged, but not limited",
    breaks: "a limit in money is on what the invoice charges for usage",
    hole: { ownTest: "workers/quota/money/money.test.ts" },
    edits: [
      {
        file: "workers/quota/store/loading.ts",
        find: "map((meter) => ({ tenantId, meter, since: periodStart })),",
        put: "map((meter) => ({ tenantId, meter, since: periodStart + 1 })),",
      },
    ],
  },
];
