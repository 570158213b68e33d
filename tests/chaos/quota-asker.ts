import { openSync, writeSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { Decimal } from "#kernel/decimal.js";
import { HOUR_MS } from "#kernel/duration.js";
import { openDatabase } from "#platform/database/database.js";
import { systemClock } from "#platform/process/clock.js";
import { createTenancyState } from "#platform/tenancy-client/copy.js";
import { openGate } from "../../workers/quota/gate/gate.testing.js";
import { sized } from "../support/effort.js";
import { randomOf } from "../support/random.js";

// Continuously consumes quota, and logs each admission after its response. Killed by its test.

export interface AskerOptions {
  readonly databaseUrl: string;
  readonly redisUrls: readonly string[];
  readonly prefix: string;
  readonly tenants: number;
  readonly perHour: number;
  readonly perSecond: number;
  /** File of admissions, a line each: tenant, key, amount, decided at (ms of Redis' clock). */
  readonly out: string;
  readonly seed: number;
}

/** Tenants `t0`, `t1`, … on one plan with a hard limit per hour and one per second. */
export function tenancyOf({ tenants, perHour, perSecond }: Pick<AskerOptions, "tenants" | "perHour" | "perSecond">) {
  const state = createTenancyState(systemClock);
  const limit = { meter: "calls", kind: "HARD", warnAt: [] } as const;
  state.apply({
    ...{ kind: "meter", id: "calls", version: 1, name: "Calls", eventType: "call", aggregation: "COUNT" },
    ...{ valueProperty: null, dimensions: [], unit: null, createdInVersion: 1, archivedInVersion: null },
  });
  const version = {
    ...{ version: 1, publishedAt: 0, publishedInVersion: 2, currency: "EUR", recurringFee: "0", minimumCommit: "0" },
    prices: [],
    limits: [
      { ...limit, window: "HOUR" as const, limit: String(perHour) },
      { ...limit, window: "SECOND" as const, limit: String(perSecond) },
    ].map((one) => ({ ...one, warnAt: [] })),
  };
  state.apply({ kind: "plan", id: "plan", version: 2, name: "Plan", archived: false, versions: [version] });
  const assignment = { planId: "plan", planVersion: 1, effectiveFrom: 0, inVersion: 2, cancelledInVersion: null };
  for (let n = 0; n < tenants; n += 1)
    state.apply({
      ...{ kind: "tenant", id: `t${n}`, version: 3 + n, name: "Tenant", status: "ACTIVE", createdAt: 0 },
      ...{ createdInVersion: 2, billingAnchorDay: 1, startsAt: 0, currency: "EUR", testClock: null },
      ...{ graceDays: [{ days: 3, inVersion: 2 }], assignments: [assignment], closedInVersion: null },
    });
  return { ...state.reads, stop: async () => state.close() };
}

const CONCURRENT = 64;
const REPEATED = 0.1;
const SKEW = 4;
const PAUSE_AFTER_DENIAL_MS = 2;
/** Otherwise they take the whole machine for as long as the faults take, whose number does not depend on it. */
const PAUSE_MS = sized(20, 0);

async function ask(options: AskerOptions): Promise<void> {
  const onError = (): void => undefined;
  const database = await openDatabase({ url: options.databaseUrl, onError });
  const { redisUrls, prefix } = options;
  const { gate } = await openGate({ database, tenancy: tenancyOf(options), redisUrls, prefix, onError });
  const out = openSync(options.out, "a");
  const random = randomOf(options.seed);
  let next = 0;
  await Promise.all(
    Array.from({ length: CONCURRENT }, async () => {
      for (;;) {
        // Tenants get different loads, so that some reach their limits.
        const tenantId = `t${Math.floor(random() ** SKEW * options.tenants)}`;
        const amount = 1 + Math.floor(random() * 3);
        next += 1;
        const idempotencyKey = `${options.seed}-${next}`;
        for (let times = random() < REPEATED ? 2 : 1; times > 0; times -= 1) {
          const decision = await gate.consume({
            usage: [{ meter: "calls", amount: new Decimal(amount) }],
            ...{ tenantId, idempotencyKey, ttlMs: HOUR_MS },
          });
          if (decision.allowed) writeSync(out, `${tenantId} ${idempotencyKey} ${amount} ${decision.now}\n`);
          const pauseMs = PAUSE_MS + (decision.allowed ? 0 : PAUSE_AFTER_DENIAL_MS);
          if (pauseMs > 0) await wait(pauseMs);
        }
      }
    }),
  );
}

if (process.argv[2] !== undefined) await ask(JSON.parse(process.argv[2]));
