import { beforeAll, describe, expect, test } from "vitest";
import { hasProgram } from "../support/programs.js";
import { AGGREGATIONS } from "./cases/aggregations.js";
import type { Case } from "./cases/case.js";
import { CREDITS } from "./cases/credits.js";
import { INVOICES } from "./cases/invoices.js";
import { NOTIFICATIONS } from "./cases/notifications.js";
import { PRICES } from "./cases/prices.js";
import { QUOTAS } from "./cases/quotas.js";
import { SCOPES } from "./cases/scopes.js";
import { SHOWN } from "./cases/shown.js";
import { UNCERTAIN } from "./cases/uncertain.js";
import { judge, type Verdict } from "./judge.js";

const ROOMS: Readonly<Record<string, readonly Case[]>> = {
  aggregations: AGGREGATIONS,
  prices: PRICES,
  invoices: INVOICES,
  "unknown outcomes": UNCERTAIN,
  quotas: QUOTAS,
  "limits by dimension and in money": SCOPES,
  credits: CREDITS,
  notifications: NOTIFICATIONS,
  "what is shown": SHOWN,
};

// Every case is computed by hand. Those that name a rule are wrong observations, which that rule has to refuse.
describe.skipIf(!hasProgram("python3"))("the judge", () => {
  const verdicts = new Map<Case, Verdict>();
  beforeAll(async () => {
    const cases = Object.values(ROOMS).flat();
    const judged = await judge(...cases.map(({ lines }) => lines));
    for (const [n, one] of cases.entries()) if (judged[n] !== undefined) verdicts.set(one, judged[n]);
  });

  for (const [room, cases] of Object.entries(ROOMS))
    describe(room, () => {
      for (const one of cases)
        test(`${one.refusedBy === undefined ? "holds" : "refuses"}: ${one.name}`, () => {
          const verdict = verdicts.get(one);
          expect(verdict, "what the judge said").toBeDefined();
          expect(verdict?.malformed).toBeUndefined();
          const rules = new Set(verdict?.violations.map(({ rule }) => rule));
          expect([...rules], JSON.stringify(verdict?.violations, null, 1)).toEqual(
            one.refusedBy === undefined ? [] : one.refusedBy,
          );
          for (const rule of one.checks ?? []) expect(verdict?.checked[rule] ?? 0, rule).toBeGreaterThan(0);
        });
    });
});

describe.skipIf(!hasProgram("python3"))("what the judge cannot read", () => {
  const right = AGGREGATIONS[0]?.lines ?? [];
  test("is no verdict: a history that breaks it, and all after it", async () => {
    // An answer without its results is none of the product's.
    const broken = [...right, { op: "events", sent: 9e12, answered: 9e12 + 1, input: { events: [] }, answer: {} }];
    await expect(judge(right, broken, right)).rejects.toThrow("1 of 3 histories");
  });
});
