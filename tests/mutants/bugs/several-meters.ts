import type { Bug } from "./bug.js";

/** From requests for several meters, with the tests that were written for them. */
export const SEVERAL_METERS: readonly Bug[] = [
  {
    name: "several-meters-first-amount-for-all",
    wrong: "a request for 10 of one meter and 1,000 of another reserves 10 of each, so that others overspend",
    breaks: "hard limits are never overspent",
    hole: { ownTest: "workers/quota/counters/several-meters.test.ts" },
    edits: [
      {
        file: "workers/quota/counters/tenant/admitting.ts",
        find: "contentOf([one]), one.meter, one.amount);",
        put: "contentOf([one]), one.meter, first?.amount ?? one.amount);",
      },
    ],
  },
  {
    name: "several-meters-settled-in-one",
    wrong: "the event of a request for several meters settles one of them; the others count twice until they expire",
    breaks: "a reservation is settled by its usage",
    hole: { ownTest: "workers/quota/counters/several-meters.test.ts" },
    edits: [
      {
        file: "workers/quota/counters/tenant/settling.ts",
        find: "const parts = held === undefined ? NONE : partsOf(state, held);",
        put: "const parts = held === undefined ? NONE : partsOf(state, held).slice(0, 1);",
      },
    ],
  },
  {
    name: "several-meters-settled-at-once",
    wrong: "an event that counts for one meter of a request gives all others back, though they may still come",
    breaks: "hard limits are never overspent",
    hole: { ownTest: "workers/quota/counters/several-meters.test.ts" },
    edits: [
      {
        file: "workers/quota/counters/tenant/settling.ts",
        find: "open && meter !== null && event.meters.includes(meter));",
        put: "open && meter !== null && event.meters.length > 0);",
      },
    ],
  },
  {
    name: "several-meters-left-by-a-release",
    wrong: "release gives one meter of a request back; the others stay reserved until they expire",
    breaks: "a release gives back what is reserved",
    hole: { ownTest: "workers/quota/counters/several-meters.test.ts" },
    edits: [
      {
        file: "workers/quota/counters/tenant/admitting.ts",
        find: "  for (const one of parts) setReservation(state, one.key, undefined);",
        put: "  setReservation(state, found.key, undefined);",
      },
    ],
  },
  {
    name: "several-meters-charged-again",
    wrong: "a retry after a release of what was left is charged again, though some of the work is settled",
    breaks: "a key that is settled is not charged again",
    hole: { ownTest: "workers/quota/counters/several-meters.test.ts" },
    edits: [
      {
        file: "workers/quota/counters/tenant/admitting.ts",
        find: "  if (open.length < parts.length) {",
        put: "  if (open.length > parts.length) {",
      },
    ],
  },
  {
    name: "several-meters-beyond-the-keys",
    wrong: "a tenant holds twenty times as many reservations in memory as it may have keys",
    breaks: "everything has a limit",
    hole: { ownTest: "workers/quota/counters/several-meters.test.ts" },
    edits: [
      {
        file: "workers/quota/counters/tenant/admitting.ts",
        find: "if (reservations.size() + Math.max(1, asked.length) > most.keys)",
        put: "if (reservations.size() >= most.keys)",
      },
    ],
  },
  {
    name: "several-meters-in-another-order",
    wrong: "the same request, with its meters named in another order, is a conflict",
    breaks: "a repeated key gets the same decision",
    hole: { ownTest: "workers/quota/http/several-meters.test.ts" },
    edits: [
      {
        file: "workers/quota/http/request.ts",
        find: "return asked.sort((a, b) => (a.meter < b.meter ? -1 : 1));",
        put: "return asked;",
      },
    ],
  },
  {
    name: "several-meters-cost-of-one",
    wrong: "a request for several meters is held against a limit in money with the cost of one of them",
    breaks: "hard limits are never overspent",
    hole: { ownTest: "workers/quota/http/several-meters.test.ts" },
    edits: [
      {
        file: "workers/quota/gate/concerns.ts",
        find: "asked: isClaimed ? amountFor(line.meter, asked) : 0n",
        put: "asked: isClaimed ? amountFor(line.meter, asked.slice(0, 1)) : 0n",
      },
    ],
  },
  {
    name: "several-meters-text-in-each",
    wrong: "what a request reserves of twenty meters takes twenty times twenty texts in Redis and in each process",
    breaks: "everything has a limit",
    hole: { ownTest: "workers/quota/counters/several-meters.test.ts" },
    edits: [
      {
        file: "workers/quota/counters/tenant/admitting.ts",
        find: "contentOf([one]), one.meter, one.amount);",
        put: "content, one.meter, one.amount);",
      },
    ],
  },
  {
    name: "several-meters-settled-as-one-event",
    wrong: "one settlement ends ten thousand reservations, and Redis answers no other tenant meanwhile",
    breaks: "one tenant's load slows another's only within a bound",
    hole: { ownTest: "workers/quota/settlement.test.ts" },
    edits: [
      {
        file: "workers/quota/settlement.ts",
        find: "meters += next.event.meters.length;",
        put: "meters += 1;",
      },
    ],
  },
  {
    name: "dimension-of-two-lines-unchecked",
    wrong: "a batch is answered with 500 because one item has a number under a dimension's name with a line break",
    breaks: "every input error is reported",
    hole: { ownTest: "workers/quota/http/requests.test.ts" },
    edits: [
      {
        file: "workers/quota/http/request.ts",
        find: 'const fault = typeof value === "string" ? faultOf(value) : "expected string";',
        put: "const fault = faultOf(value);",
      },
    ],
  },
];
