import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { amount, plain } from "../oracle/amounts.js";
import {
  type AcknowledgedEvent,
  distinctEvents,
  expectedInvoice,
  expectedTotal,
  type OracleMeter,
  type OraclePlan,
} from "../oracle/oracle.js";
import { hasKafka, hasPostgres, hasRedis, waitFor } from "../servers/servers.js";
import { ask } from "../support/client.js";
import { type Adapters, type MetrlyProcess, startMetrly } from "../support/metrly.js";
import { bodyOf, cutBatches, generateEvents, postUntilAnswered, randomOf } from "./load.js";
import * as world from "./world.js";

const EVENTS = 200_000;
const TENANTS = Array.from({ length: 20 }, (_, n) => `tenant-${n}`);
const KILLS = 3;
const SENDERS = 6;

const METERS: readonly OracleMeter[] = [
  { key: "calls", eventType: "api.call", aggregation: "COUNT" },
  { key: "tokens", eventType: "llm.completion", aggregation: "SUM", valueProperty: "tokens" },
];
const PLAN: OraclePlan = {
  recurringFee: "19.9",
  currencyDigits: 2,
  prices: [
    { meter: "calls", model: "PER_UNIT", included: "100", unitAmount: "0.0035" },
    {
      meter: "tokens",
      model: "GRADUATED",
      divideBy: "1000",
      tiers: [
        { upTo: "100", unitAmount: "0.9", flatAmount: "1" },
        { upTo: "1000", unitAmount: "0.45", flatAmount: "0" },
        { upTo: null, unitAmount: "0.123", flatAmount: "2.5" },
      ],
    },
  ],
};

const CASES: readonly { adapters: Adapters; can: boolean }[] = [
  { adapters: "embedded", can: true },
  { adapters: "servers", can: hasKafka && hasRedis && hasPostgres },
];

for (const { adapters, can } of CASES) {
  describe.skipIf(!can)(`kill -9 under load (${adapters})`, () => {
    const seed = Date.now() % 1_000_000;
    const random = randomOf(seed);
    const month = world.lastMonth(Date.now());
    const acknowledged: AcknowledgedEvent[] = [];
    let metrly: MetrlyProcess;
    let admin: string;
    let key: string;

    beforeAll(async () => {
      metrly = await startMetrly(adapters);
      admin = await metrly.adminToken();
      for (const { key: meter, ...rest } of METERS)
        await ask(metrly.url, admin, world.CREATE_METER, { input: { key: meter, name: meter, ...rest } });
      const version = { currency: "EUR", recurringFee: PLAN.recurringFee, prices: PLAN.prices };
      await ask(metrly.url, admin, world.CREATE_PLAN, { input: { id: "plan", name: "Plan", version } });
      for (const id of TENANTS) {
        await ask(metrly.url, admin, world.CREATE_TENANT, {
          input: { id, name: id, planId: "plan", startsAt: new Date(month.acceptedFromMs).toISOString() },
        });
      }
      const issued = await ask<{ issueApiKey: { secret: string } }>(metrly.url, admin, world.ISSUE_KEY, {
        input: { platform: true, name: "load", scopes: ["INGEST"] },
      });
      key = issued.issueApiKey.secret;
      // The edge answers 401 until its copy of tenancy has the key.
      await waitFor(
        async () =>
          (
            await fetch(`${metrly.url}/v1/events?source=x&id=x&tenantId=${TENANTS[0]}`, {
              headers: { authorization: `Bearer ${key}` },
            })
          ).status === 404,
        {
          what: "the key at the edge",
        },
      );
    }, 120_000);

    afterAll(async () => {
      await metrly?.dispose();
    });

    test("loses and doubles nothing: the accounting adds up and every invoice is the oracle's", async () => {
      const events = generateEvents({
        random,
        tenants: TENANTS,
        total: EVENTS,
        duplicateShare: 0.2,
        fromMs: month.acceptedFromMs,
        toMs: Date.now(),
      });
      const batches = cutBatches(events, 500, random).map((batch) => ({ batch, body: bodyOf(batch, 0.01, random) }));
      const killAt = new Set(Array.from({ length: KILLS }, () => Math.floor(batches.length * (0.1 + 0.75 * random()))));

      let next = 0;
      let kills: Promise<void> = Promise.resolve();
      const send = async () => {
        for (let at = next++; at < batches.length; at = next++) {
          if (killAt.has(at)) kills = kills.then(() => metrly.killAndRestart());
          const { batch, body } = batches[at] ?? { batch: [], body: [] };
          const answer = await postUntilAnswered(metrly.url, key, body);
          expect(answer.results).toHaveLength(body.length);
          expect(answer.rejected).toBe(body.length - batch.length);
          acknowledged.push(...batch);
        }
      };
      await Promise.all(Array.from({ length: SENDERS }, send));
      await kills;

      const distinct = distinctEvents(acknowledged);
      await expectAccounted(distinct);
      await expectTotals(distinct);
      await expectInvoices(distinct);
    }, 420_000);

    async function expectAccounted(distinct: readonly AcknowledgedEvent[]): Promise<void> {
      for (const tenantId of TENANTS) {
        const accounting = await waitFor(
          async () => {
            const now = await world.accountingOf(metrly.url, admin, tenantId);
            expect(world.sumOf(now), `the identity of ${tenantId}, seed ${seed}: ${JSON.stringify(now)}`).toBe(
              now.accepted,
            );
            return now.inFlight === 0 ? now : undefined;
          },
          { what: `${tenantId} at rest (seed ${seed})`, deadlineMs: 180_000 },
        );
        const mine = distinct.filter((event) => event.tenantId === tenantId);
        expect(accounting, `seed ${seed}`).toMatchObject({ counted: mine.length, unmetered: 0, quarantined: 0 });
        expect(accounting.accepted, `seed ${seed}`).toBe(mine.length + accounting.duplicates);
      }
    }

    async function expectTotals(distinct: readonly AcknowledgedEvent[]): Promise<void> {
      for (const tenantId of TENANTS) {
        const { tenant } = await ask<{ tenant: { usageTotals: { meter: string; quantity: string }[] } }>(
          metrly.url,
          admin,
          world.USAGE,
          { tenantId },
        );
        for (const meter of METERS) {
          const expected = expectedTotal(distinct, tenantId, meter, month.endMs, Number.POSITIVE_INFINITY);
          const found = tenant.usageTotals.find((total) => total.meter === meter.key)?.quantity ?? "0";
          expect(found, `${tenantId} ${meter.key}, seed ${seed}`).toBe(plain(expected));
        }
      }
    }

    async function expectInvoices(distinct: readonly AcknowledgedEvent[]): Promise<void> {
      const periodStart = new Date(month.startMs).toISOString();
      for (const tenantId of TENANTS) await ask(metrly.url, admin, world.CLOSE_PERIOD, { tenantId, periodStart });
      for (const tenantId of TENANTS) {
        const invoice = await waitFor(async () => (await world.invoicesOf(metrly.url, admin, tenantId))[0], {
          what: `the invoice of ${tenantId}`,
          deadlineMs: 60_000,
        });
        const expected = expectedInvoice(distinct, tenantId, METERS, PLAN, month.startMs, month.endMs);
        const usage = invoice.lines.filter((line) => line.kind === "USAGE");
        expect(
          {
            total: invoice.total.amount,
            usage: usage.map((line) => [line.meter, amount(line.quantity), line.amount.amount]),
          },
          `${tenantId}, seed ${seed}`,
        ).toEqual({
          total: expected.total,
          usage: expected.usage.map((line) => [line.meter, line.quantity, line.amount]),
        });
        const { verifyInvoice } = await ask<{ verifyInvoice: { matches: boolean; differences: string[] } }>(
          metrly.url,
          admin,
          world.VERIFY,
          { id: invoice.id },
        );
        expect(verifyInvoice, `seed ${seed}`).toMatchObject({ matches: true, differences: [] });
      }
    }
  });
}
