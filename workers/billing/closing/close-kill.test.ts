import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TenancyChangedV1 } from "#schema/events/tenancy-changed.v1.js";
import {
  createTestDatabase,
  hasPostgres,
  hasRedis,
  redisUrl,
  type TestDatabase,
  waitFor,
} from "../../../tests/servers/servers.js";
import { isFrozen } from "../../../tests/support/freezing.js";
import { compiledProgram } from "../../../tests/support/program.js";
import { startForeign } from "../../../tests/systems/language/foreign-server.js";
import {
  at,
  type BillingWorld,
  billingWorld,
  ledgerOf,
  meter,
  planVersion,
  price,
  tenant,
  tenantOn,
  usage,
} from "../world.testing.js";
import type { VictimOptions } from "./close-victim.testing.js";

const VICTIM = fileURLToPath(new URL("./close-victim.testing.ts", import.meta.url));
const TENANTS = 120;
const PERIODS = 2;
/** How many closes are done when a worker is killed. */
const KILLS = [40, 120];

/** Usage of two periods, some of the first one's late, and what ends both. */
async function fill(world: BillingWorld, states: readonly TenancyChangedV1[]): Promise<void> {
  for (const state of states) world.state.apply(state);
  for (let partition = 0; partition < TENANTS; partition += 1) {
    const id = tenantOn(partition);
    const ledger = ledgerOf(partition);
    for (let n = 0; n < 5; n += 1) ledger.record(usage(id, `e${n}`, at("2026-01-20T00:00:00") + n * partition * 1_000));
    ledger.record({ kind: "tick", at: at("2026-02-04T00:00:00") });
    ledger.record({ ...usage(id, "late", at("2026-01-31T00:00:00")), recordedAt: at("2026-02-05T00:00:00") });
    ledger.record(usage(id, "next", at("2026-02-10T00:00:00")), { kind: "tick", at: at("2026-03-04T00:00:00") });
    await world.deliver(ledger);
  }
}

describe.skipIf(!hasPostgres)("closing many periods", () => {
  const states: TenancyChangedV1[] = [
    meter("calls"),
    {
      ...{ kind: "plan", id: "pro", version: 1, name: "Pro", archived: false },
      versions: [
        planVersion({
          recurringFee: "10",
          prices: [price({ meter: "calls", model: "PER_UNIT", unitAmount: "0.125" })],
        }),
      ],
    },
    ...Array.from({ length: TENANTS }, (_, partition) => tenant(tenantOn(partition))),
  ];
  const children: ChildProcess[] = [];
  let program: string;
  let jobs: TestDatabase;
  let world: BillingWorld;
  let undisturbed: BillingWorld;

  beforeAll(async () => {
    [program, jobs, world, undisturbed] = await Promise.all([
      compiledProgram(VICTIM),
      createTestDatabase("billing_jobs"),
      billingWorld(),
      billingWorld(),
    ]);
    await Promise.all([fill(world, states), fill(undisturbed, states)]);
    for (let partition = 0; partition < TENANTS; partition += 1) await undisturbed.close(tenantOn(partition));
  });
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await world?.stop();
    await undisturbed?.stop();
    await jobs?.drop();
  });

  function startWorker({ databaseUrl = world.database.url, freezes = false } = {}): ChildProcess {
    const child = fork(program, { execArgv: [] });
    children.push(child);
    const options: VictimOptions = {
      databaseUrl,
      backend: hasRedis ? { kind: "redis", url: redisUrl() } : { kind: "postgres", url: jobs.url },
      prefix: jobs.url.slice(-12),
      ...{ states, freezes },
    };
    child.send(options);
    return child;
  }

  async function closed(): Promise<number> {
    const sql = "SELECT count(*)::int AS n FROM billing_period WHERE status = 'CLOSED'";
    return (await world.database.pool.query<{ n: number }>(sql)).rows[0]?.n ?? 0;
  }

  test("resumes after killed workers and beside a frozen one: every period closes once, and each invoice is unchanged", async () => {
    const all = TENANTS * PERIODS;
    const seen: number[] = [];
    for (const kill of KILLS) {
      const worker = startWorker();
      await waitFor(async () => (await closed()) >= kill, { what: `${kill} closes` });
      worker.kill("SIGKILL");
      await once(worker, "exit");
      seen.push(await closed());
    }
    for (const done of seen) expect(done).toBeLessThan(all);
    // It finds itself fenced by codes, not by what they say.
    const foreign = await startForeign("postgres", world.database.url);
    const frozen = startWorker({ databaseUrl: foreign.url, freezes: true });
    const thawed = once(frozen, "message");
    await waitFor(() => isFrozen(frozen.pid), { what: "a worker frozen inside of a close" });
    const last = [startWorker(), startWorker()];
    await waitFor(async () => (await closed()) === all, { what: "every close" });
    frozen.kill("SIGCONT");
    expect(await thawed).toEqual([{ committed: false }, undefined]);
    expect(foreign.replaced()).toBeGreaterThan(0);
    for (const worker of [...last, frozen]) worker.kill("SIGKILL");
    await foreign.stop();
    for (let partition = 0; partition < TENANTS; partition += 1) {
      const id = tenantOn(partition);
      const [mine, expected] = [await world.invoices(id), await undisturbed.invoices(id)];
      expect(mine.map(({ document }) => document)).toEqual(expected.map(({ document }) => document));
      expect(mine).toHaveLength(PERIODS);
    }
    const announced = "SELECT count(*)::int AS n, count(DISTINCT value::json->>'id')::int AS ids FROM outbox";
    expect((await world.database.pool.query(announced)).rows).toEqual([{ n: 2 * all, ids: 2 * all }]);
  });
});
