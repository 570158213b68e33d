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
  {
    name: "money-alert-of-a-meter-named-so",
    wrong: "with a limit on a meter called `money`, the alert of the limit in money is never sent",
    breaks: "each alert is emitted once",
    reverses: {
      fix: "Name alerts, overrides and too large requests in money right",
      ownTest: "workers/quota/rules/thresholds.test.ts",
    },
    edits: [
      {
        file: "workers/quota/rules/thresholds.ts",
        find: "const about = limit.money === undefined ? aboutOf(limit) : MONEY;",
        put: "const about = aboutOf(limit);",
      },
      {
        file: "workers/quota/rules/thresholds.ts",
        find: 'import { MONEY } from "#schema/limit-scope.js";\n',
        put: "",
      },
    ],
  },
  {
    name: "money-override-of-a-meter",
    wrong: "an override of a meter's limit with `unit: MONEY` changes the limit in money, and answers with an error",
    breaks: "every input error is reported",
    reverses: {
      fix: "Name alerts, overrides and too large requests in money right",
      ownTest: "workers/tenancy/rules/quota-override.test.ts",
    },
    edits: [
      {
        file: "workers/tenancy/rules/quota-override.ts",
        find: "if (isInMoney(terms) && terms.meter !== null)",
        put: 'if (isInMoney(terms) && terms.meter === "")',
      },
    ],
  },
  {
    name: "money-too-large-while-it-fits",
    wrong: "a request that fits once reservations end is denied as larger than the limit, and raises no alert",
    breaks: "a decision explains itself",
    reverses: {
      fix: "Name alerts, overrides and too large requests in money right",
      ownTest: "workers/quota/money/charges.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/money.ts",
        find: "const isTooLarge = alone > hardLimit && sumOf(held, ({ line, used: own }) => rangeFrom(own, line)) > hardLimit;",
        put: "const isTooLarge = alone > hardLimit;",
      },
    ],
  },
  {
    name: "money-to-come-forgotten-by-retry-after",
    wrong: "a client is told to try again when a plan begins whose limit in money denies it",
    breaks: "Retry-After is never too early",
    reverses: {
      fix: "Wait for limits in money to come, too, in Retry-After",
      ownTest: "workers/quota/http/retry-after.test.ts",
    },
    edits: [
      {
        file: "workers/quota/gate/concerns.ts",
        find: "if ([terms, ...following.map((one) => one.terms)].every((one) => one === undefined)) return undefined;",
        put: "if (terms === undefined) return undefined;",
      },
    ],
  },
  {
    name: "money-judged-meter-by-meter",
    wrong: "one event that two meters count raises two alerts of `warnEvery`",
    breaks: "each alert is emitted once",
    reverses: {
      fix: "Judge what an entry costs once, though several meters count it",
      ownTest: "workers/quota/money/money.test.ts",
    },
    edits: [
      {
        file: "workers/quota/rules/batch-totals.ts",
        find: "if (latest !== undefined && latest.seq === reading.seq)",
        put: "if (latest !== undefined && latest === reading)",
      },
    ],
  },
  {
    name: "money-of-before-the-plan-repaired-in-part",
    wrong: "after a repair, a first plan's limit in money still misses what was used before it",
    breaks: "a limit in money is on what the invoice charges for usage",
    reverses: {
      fix: "Repair what was recorded before a first plan with its values",
      ownTest: "workers/quota/reconciliation/reconcile-tenant.test.ts",
    },
    edits: [
      {
        file: "workers/quota/reconciliation/reconcile-tenant.ts",
        find: "await createCombinations().add(tx, used);",
        put: "await createCombinations().add(tx, used.slice(used.length));",
      },
    ],
  },
  {
    name: "money-rated-anew-at-every-decision",
    wrong: "with a plan of a hundred prices, each request keeps the process from all others for milliseconds",
    breaks: "one tenant's load slows another's only within a bound",
    reverses: {
      fix: "Rate only what changed when a limit in money decides",
      ownTest: "workers/quota/money/charges.test.ts",
    },
    edits: [
      {
        file: "workers/quota/counters/tenant/money.ts",
        find: "  if (before?.used === used && before.rating === rating) return before.cost;",
        put: "  if (before?.used === used && before.rating !== rating) return before.cost;",
      },
    ],
  },
];
