import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DAY_MS } from "#kernel/duration.js";
import { hasKafka, hasPostgres, hasRedis, waitFor } from "../servers/servers.js";
import { ask } from "../support/client.js";
import { sized } from "../support/effort.js";
import { CREATE_METER, CREATE_PLAN, CREATE_TENANT } from "../systems/whole-path/world.js";
import { type Processes, type RoleProcess, startProcesses } from "./data-planes.js";

/** 1,000 in a long run. */
const TRIES = sized(5, 1_000);
/** How long a mutation waits for a process. */
const WAIT_MS = 2_000;
/** Well below that. */
const SLOW_MS = 200;

interface Answer {
  readonly data: Record<string, Record<string, unknown>>;
  readonly extensions: { readonly propagation: { version: number; complete: boolean; missing: unknown[] } };
}

describe.skipIf(!hasKafka || !hasRedis || !hasPostgres)("two processes of each data plane", () => {
  let processes: Processes;
  let admin: string;
  let event = 0;

  beforeAll(async () => {
    processes = await startProcesses();
    const { url } = processes.metrly;
    admin = await processes.metrly.adminToken();
    await ask(url, admin, CREATE_METER, {
      input: { key: "calls", name: "Calls", eventType: "api.call", aggregation: "COUNT" },
    });
    const limits = [{ meter: "calls", window: "BILLING_PERIOD", kind: "HARD", limit: "10" }];
    const version = { currency: "EUR", recurringFee: "0", prices: [], limits };
    await ask(url, admin, CREATE_PLAN, { input: { id: "plan", name: "Plan", version } });
    await ask(url, admin, CREATE_TENANT, { input: { id: "acme", name: "Acme", planId: "plan" } });
    // Hard limits deny until new processes have agreed on their counters.
    const { secret } = await newKey();
    const decides = (one: RoleProcess) =>
      waitFor(async () => (await check(secret, "1")(one)).allowed, { what: "decisions" });
    await Promise.all(processes.quota.map(decides));
  });

  afterAll(() => processes?.stop());

  /** A mutation that must succeed, and what its answer tells. */
  async function mutate(mutation: string) {
    const startedAt = performance.now();
    const response = await fetch(`${processes.metrly.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${admin}` },
      body: JSON.stringify({ query: `mutation { ${mutation} }` }),
    });
    const { data, extensions } = (await response.json()) as Answer;
    return { data, propagation: extensions.propagation, tookMs: performance.now() - startedAt };
  }

  const rename = () => mutate('updateTenant(id: "acme", input: { name: "Acme" }) { id }');
  const everyoneActs = async () => (await rename()).propagation.complete;

  /**
   * A change that every process acts on when this resolves. A machine that is too busy for the mutation's own wait is waited for here.
   */
  async function change(mutation: string): Promise<Answer["data"]> {
    const { data, propagation } = await mutate(mutation);
    if (propagation.complete) expect(propagation).toEqual({ version: expect.any(Number), complete: true, missing: [] });
    else await waitFor(everyoneActs, { what: "everyone to act on the change" });
    return data;
  }

  /** The same, while one process stands still for a moment. */
  async function changeWhileOneIsSlow({ container }: RoleProcess, mutation: string): Promise<void> {
    await container.kill("SIGSTOP");
    const goOn = new Promise<void>((resolve) => {
      setTimeout(() => void container.kill("SIGCONT").then(() => resolve()), SLOW_MS);
    });
    await Promise.all([change(mutation), goOn]);
  }

  async function newKey() {
    const input = '{ tenantId: "acme", name: "key", scopes: [INGEST, QUOTA] }';
    const { issueApiKey } = await change(`issueApiKey(input: ${input}) { secret apiKey { id } }`);
    const { secret, apiKey } = issueApiKey as { secret: string; apiKey: { id: string } };
    return { secret, revocation: `revokeApiKey(id: "${apiKey.id}") { id }` };
  }

  async function post(url: string, key: string, body: object) {
    event += 1;
    const headers = {
      ...{ authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...{ "ce-specversion": "1.0", "ce-type": "api.call", "ce-source": "test", "ce-id": `e${event}` },
      ...{ "ce-subject": "acme" },
    };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    const text = await response.text();
    const { allowed, reason } = (text === "" ? {} : JSON.parse(text)) as { allowed?: boolean; reason?: string };
    return { status: response.status, allowed, reason };
  }

  const send =
    (key: string) =>
    ({ url }: RoleProcess) =>
      post(`${url}/v1/events`, key, {});
  const check =
    (key: string, amount: string) =>
    ({ url }: RoleProcess) =>
      post(`${url}/v1/quota/check`, key, { meter: "calls", amount });

  /** One answer for both processes. */
  async function both<T>(of: readonly RoleProcess[], get: (one: RoleProcess) => Promise<T>): Promise<T> {
    const [one, other] = await Promise.all(of.map(get));
    expect(other).toEqual(one);
    if (one === undefined) throw new Error("no process");
    return one;
  }

  test(`act on each change when its mutation is answered, ${TRIES} times`, async () => {
    const { ingestion, quota } = processes;
    const all = [...ingestion, ...quota];
    const statusOf = async (one: RoleProcess, key: string) => (await send(key)(one)).status;
    const decision = (key: string, amount: string) => both(quota, check(key, amount));
    for (let n = 0; n < TRIES; n += 1) {
      const { secret, revocation } = await newKey();
      expect(await both(ingestion, (one) => statusOf(one, secret))).toBe(202);
      expect(await decision(secret, "1")).toMatchObject({ allowed: true });

      await change('suspendTenant(id: "acme", reason: "unpaid") { id }');
      expect(await decision(secret, "1")).toMatchObject({ allowed: false, reason: "TENANT_SUSPENDED" });
      await change('resumeTenant(id: "acme") { id }');
      expect(await decision(secret, "1")).toMatchObject({ allowed: true });

      const until = new Date(Date.now() + DAY_MS).toISOString();
      for (const limit of [1_000_000 + n, 100 + n]) {
        const override = `tenantId: "acme", meter: "calls", window: BILLING_PERIOD, limit: "${limit}", until: "${until}", reason: "test"`;
        await change(`setQuotaOverride(${override}) { used }`);
        expect(await decision(secret, "500000")).toMatchObject({ allowed: limit > 500_000 });
      }

      await changeWhileOneIsSlow(all[n % all.length] as RoleProcess, revocation);
      expect(await both(ingestion, (one) => statusOf(one, secret))).toBe(401);
      expect(await both(quota, async (one) => (await check(secret, "1")(one)).status)).toBe(401);
    }
  });

  test("a frozen one delays one mutation, is named, and serves only what it has caught up with", async () => {
    const frozen = [processes.ingestion[1], processes.quota[1]].filter((one) => one !== undefined);
    const { secret, revocation } = await newKey();
    await both(processes.ingestion, send(secret));
    await both(processes.quota, check(secret, "1"));
    for (const { container } of frozen) await container.kill("SIGSTOP");
    const missing = await Promise.all(frozen.map(async (one) => ({ role: one.role, instance: await one.instance() })));
    try {
      const { propagation, tookMs } = await mutate(revocation);
      expect(propagation).toMatchObject({ complete: false, missing: expect.arrayContaining(missing) });
      expect(propagation.missing).toHaveLength(frozen.length);
      expect(tookMs).toBeGreaterThanOrEqual(WAIT_MS - 50);
      const later: number[] = [];
      for (let n = 0; n < 3; n += 1) {
        const next = await mutate(`updateTenant(id: "acme", input: { name: "Acme ${n}" }) { id }`);
        expect(next.propagation).toMatchObject({ complete: false, missing: expect.arrayContaining(missing) });
        later.push(next.tookMs);
      }
      expect(Math.min(...later)).toBeLessThan(WAIT_MS - 50);
      await waitFor(everyoneActs, { what: "the leases to end", pauseMs: 1_000 });
      // They lie there when the process goes on.
      const waiting = [send(secret), check(secret, "1")].map((request, n) => request(frozen[n] as RoleProcess));
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (const { container } of frozen) await container.kill("SIGCONT");
      for (const answer of await Promise.all(waiting)) expect([401, 503]).toContain(answer.status);
    } finally {
      for (const { container } of frozen) await container.kill("SIGCONT");
    }
    const back = async () => {
      const isComplete = await everyoneActs();
      const statuses = await Promise.all([
        send(secret)(frozen[0] as RoleProcess),
        check(secret, "1")(frozen[1] as RoleProcess),
      ]);
      return isComplete && statuses.every(({ status }) => status === 401);
    };
    await waitFor(back, { what: "the thawed to be back" });
  });
});
