import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { DAY_MS, HOUR_MS } from "#kernel/duration.js";
import { ERROR_CODES, isErrorCode } from "#kernel/errors.js";
import { LEASE_MS, REPORT_EVERY_MS } from "#platform/tenancy-client/lease.js";
import { openKeyRing } from "../../gateway/auth/signing-key.js";
import { createTokenIssuer, keyFolder } from "../../gateway/auth/token-issuer.js";
import { hasKafka, hasPostgres, hasRedis, waitFor } from "../servers/servers.js";
import { ask, askRaw, type GraphError } from "../support/client.js";
import { runs, sized } from "../support/effort.js";
import { CREATE_METER, CREATE_PLAN, CREATE_TENANT } from "../systems/whole-path/world.js";
import { type Processes, type RoleProcess, startProcesses } from "./data-planes.js";

/** 1,000 in a long run of chaos. */
const TRIES = sized(5, runs(100));
/** Fewer: each is a dozen changes, at several gateways. */
const GRAPH_TRIES = sized(1, runs(50));
/** 1,000 tries take longer than anything else. */
const HANGS_AFTER_MS = sized(600_000, 4 * HOUR_MS);
/** Processes of each role beside `metrly all`. */
const OF_EACH = sized(1, 2);
/** Of one tenant: it may have 200 overrides in 40 days, and a try sets two. */
const TRIES_OF_A_TENANT = 90;
/** How long a mutation waits for a process. */
const WAIT_MS = 2_000;
/** Well below that. */
const SLOW_MS = 200;

/** What a request is answered. */
interface Asked {
  readonly status: number;
  readonly errors?: readonly GraphError[];
  readonly reason?: string | undefined;
}

/** 503, also in the graph: UNAVAILABLE and the like; or Redis does not answer quota in time. */
const isForNow = ({ status, errors = [], reason }: Asked): boolean =>
  status === UNAVAILABLE ||
  reason === "COUNTER_REBUILDING" ||
  errors.some(({ extensions: { code } }) => isErrorCode(code) && ERROR_CODES[code].status === UNAVAILABLE);
const UNAVAILABLE = 503;

interface Mutated {
  readonly propagation: Propagation;
  readonly tookMs: number;
}

interface Propagation {
  readonly version: number;
  readonly complete: boolean;
  readonly missing: readonly unknown[];
}

interface Answer {
  readonly data: Record<string, Record<string, unknown>>;
  readonly extensions?: { readonly propagation: Propagation };
}

describe.skipIf(!hasKafka || !hasRedis || !hasPostgres)("several processes of each role", () => {
  let processes: Processes;
  let admin: string;
  let event = 0;
  let tenant = "acme";
  /** Changes come by one gateway after the other. */
  let doors: readonly string[];
  let turn = 0;
  /** Where usage and questions are sent: `metrly all` and the processes of their own. */
  let ingestion: readonly string[];
  let quota: readonly string[];

  beforeAll(async () => {
    processes = await startProcesses({ dataPlanes: OF_EACH, others: OF_EACH });
    const { url } = processes.metrly;
    [doors, ingestion, quota] = [processes.gateways, processes.ingestion, processes.quota].map((ofRole) => [
      url,
      ...ofRole.map((one) => one.url),
    ]) as [string[], string[], string[]];
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
    const decides = (at: string) => waitFor(async () => (await check(secret, "1")(at)).allowed, { what: "decisions" });
    await Promise.all(quota.map(decides));
  });

  afterAll(() => processes?.stop());

  /** A mutation that must succeed, and what its answer tells; sent again while it is refused for now. */
  async function mutate(mutation: string) {
    turn += 1;
    const door = String(doors[turn % doors.length]);
    const startedAt = performance.now();
    const ask = async () => {
      const asked = await askRaw(door, admin, `mutation { ${mutation} }`);
      return isForNow(asked) ? undefined : asked;
    };
    const { status, ...answer } = await waitFor(ask, { what: `an answer to ${mutation}` });
    const { data, extensions } = answer as unknown as Answer;
    if (extensions === undefined) throw new Error(`${status} ${JSON.stringify(answer)}`);
    return { data, propagation: extensions.propagation, tookMs: performance.now() - startedAt };
  }

  /** From an address of its own: so many revoked keys from one are throttled before anybody looks at them. */
  function fromElsewhere(): Record<string, string> {
    event += 1;
    return { "x-forwarded-for": `10.${event >> 16}.${(event >> 8) & 255}.${event & 255}` };
  }

  /** What every gateway answers; the same from each. */
  const everywhere = (query: string, token = admin) =>
    each(doors, (at) => askRaw(at, token, query, undefined, fromElsewhere()));

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
    const input = `{ tenantId: "${tenant}", name: "key", scopes: [INGEST, QUOTA, READ] }`;
    const { issueApiKey } = await change(`issueApiKey(input: ${input}) { secret apiKey { id } }`);
    const { secret, apiKey } = issueApiKey as { secret: string; apiKey: { id: string } };
    return { secret, revocation: `revokeApiKey(id: "${apiKey.id}") { id }` };
  }

  async function post(url: string, key: string, body: object) {
    const address = fromElsewhere();
    const headers = {
      ...address,
      ...{ authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...{ "ce-specversion": "1.0", "ce-type": "api.call", "ce-source": "test", "ce-id": `e${event}` },
      ...{ "ce-subject": tenant },
    };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    const text = await response.text();
    const { allowed, reason } = (text === "" ? {} : JSON.parse(text)) as { allowed?: boolean; reason?: string };
    return { status: response.status, allowed, reason };
  }

  const send = (key: string) => (at: string) => post(`${at}/v1/events`, key, {});
  const check = (key: string, amount: string) => (at: string) =>
    post(`${at}/v1/quota/check`, key, { meter: "calls", amount });

  /** One answer for all processes; each is asked again while it refuses for now, as after it stood still for long. */
  async function each<T extends Asked>(of: readonly string[], get: (at: string) => Promise<T>): Promise<T> {
    const final = async (at: string) => {
      const answer = await get(at);
      return isForNow(answer) ? undefined : answer;
    };
    const answers = await Promise.all(of.map((at) => waitFor(() => final(at), { what: "an answer" })));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    return answers[0] as T;
  }

  test(`act on each change when its mutation is answered, ${TRIES} times`, { timeout: HANGS_AFTER_MS }, async () => {
    const all = [...processes.ingestion, ...processes.quota];
    const statusAt = async (of: readonly string[], request: (at: string) => Promise<Asked>) =>
      (await each(of, request)).status;
    const decision = (key: string, amount: string) => each(quota, check(key, amount));
    for (let n = 0; n < TRIES; n += 1) {
      if (n > 0 && n % TRIES_OF_A_TENANT === 0) {
        tenant = `acme${n}`;
        await change(`createTenant(input: { id: "${tenant}", name: "Acme", planId: "plan" }) { id }`);
      }
      const { secret, revocation } = await newKey();
      expect(await statusAt(ingestion, send(secret))).toBe(202);
      expect(await decision(secret, "1")).toMatchObject({ allowed: true });

      await change(`suspendTenant(id: "${tenant}", reason: "unpaid") { id }`);
      expect(await decision(secret, "1")).toMatchObject({ allowed: false, reason: "TENANT_SUSPENDED" });
      await change(`resumeTenant(id: "${tenant}") { id }`);
      expect(await decision(secret, "1")).toMatchObject({ allowed: true });

      const until = new Date(Date.now() + DAY_MS).toISOString();
      // Far above the usage of all tries.
      for (const limit of [1_000_000 + n, 100_000 + n]) {
        const override = `tenantId: "${tenant}", meter: "calls", window: BILLING_PERIOD, limit: "${limit}", until: "${until}", reason: "test"`;
        await change(`setQuotaOverride(${override}) { used }`);
        expect(await decision(secret, "500000")).toMatchObject({ allowed: limit > 500_000 });
      }

      await changeWhileOneIsSlow(all[n % all.length] as RoleProcess, revocation);
      expect(await statusAt(ingestion, send(secret))).toBe(401);
      expect(await statusAt(quota, check(secret, "1"))).toBe(401);
    }
  });

  test(`answer by each change when its mutation is answered, by whichever gateway, ${GRAPH_TRIES} times`, {
    timeout: HANGS_AFTER_MS,
  }, async () => {
    const version = (fee: number) => `{ currency: "EUR", recurringFee: "${fee}", prices: [], limits: [] }`;
    for (let n = 0; n < GRAPH_TRIES; n += 1) {
      const { secret, revocation } = await newKey();
      expect(await everywhere("{ viewer { tenantId } }", secret)).toMatchObject({
        data: { viewer: { tenantId: tenant } },
      });

      const plan = `createPlan(input: { id: "plan${n}", name: "Plan", version: ${version(n + 1)} }) { id }`;
      const newer = `publishPlanVersion(planId: "plan${n}", input: ${version(n + 7)}) { version }`;
      const start = new Date().toISOString().slice(0, 7);
      const preview = `{ previewPlan(tenantId: "acme", planId: "plan${n}", periodStart: "${start}-01T00:00:00Z") { total { amount } } }`;
      for (const [mutation, fee] of [
        [plan, n + 1],
        [newer, n + 7],
      ] as const) {
        await change(mutation);
        const total = { amount: `${fee}.00` };
        expect(await everywhere(preview)).toMatchObject({ data: { previewPlan: { total } } });
      }

      const meter = `createMeter(input: { key: "meter${n}", name: "Meter", eventType: "e${n}", aggregation: COUNT }) { key }`;
      await change(meter);
      await change(`createTenant(input: { id: "tenant${n}", name: "New", planId: "plan${n}" }) { id }`);
      const fields = `plan { version } usageTotals(meter: "meter${n}") { quantity } quotas { used } alerts { nodes { id } }`;
      const created = { plan: { version: 2 }, usageTotals: expect.any(Array), quotas: [], alerts: { nodes: [] } };
      expect(await everywhere(`{ tenant(id: "tenant${n}") { ${fields} } }`)).toEqual({
        status: 200,
        data: { tenant: created },
      });

      const input = `{ tenantId: "tenant${n}", url: "https://example.com/", eventTypes: ["quota.exceeded"] }`;
      await change(`createWebhookEndpoint(input: ${input}) { secret }`);
      const endpoints = `{ tenant(id: "tenant${n}") { webhookEndpoints { status } } }`;
      expect(await everywhere(endpoints)).toMatchObject({
        data: { tenant: { webhookEndpoints: [{ status: "ENABLED" }] } },
      });

      // An installation has a few hundred meters at most.
      await change(`archiveMeter(key: "meter${n}") { key }`);
      await change(revocation);
      expect(await everywhere("{ viewer { tenantId } }", secret)).toMatchObject({ status: 401 });
    }
  });

  test("a frozen one delays one mutation, is named, and serves only what it has caught up with", async () => {
    const frozen = [processes.ingestion.at(-1), processes.quota.at(-1)] as [RoleProcess, RoleProcess];
    const { secret, revocation } = await newKey();
    await each(ingestion, send(secret));
    await each(quota, check(secret, "1"));
    const { status, sendRest } = openEvent(frozen[0].url, secret);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const frozenAt = performance.now();
    for (const { container } of frozen) await container.kill("SIGSTOP");
    const missing = await Promise.all(frozen.map(async (one) => ({ role: one.role, instance: await one.instance() })));
    try {
      const { propagation, tookMs } = await mutate(revocation);
      expect(propagation).toMatchObject({ complete: false, missing: expect.arrayContaining(missing) });
      expect(tookMs).toBeGreaterThan(WAIT_MS / 2);
      const later: Mutated[] = [];
      for (let n = 0; n < 3; n += 1) {
        const next = await mutate(`updateTenant(id: "acme", input: { name: "Acme ${n}" }) { id }`);
        // On a slow machine the leases may have ended.
        if (next.propagation.complete && performance.now() - frozenAt > LEASE_MS - 2 * REPORT_EVERY_MS) break;
        expect(next.propagation).toMatchObject({ complete: false, missing: expect.arrayContaining(missing) });
        later.push(next);
      }
      // On a busy machine another one may be late as well, and a mutation slow.
      expect(Math.min(propagation.missing.length, ...later.map((one) => one.propagation.missing.length))).toBe(
        frozen.length,
      );
      if (later.length > 0) expect(Math.min(...later.map((one) => one.tookMs))).toBeLessThan(WAIT_MS - 50);
      await waitFor(everyoneActs, { what: "the leases to end", pauseMs: 1_000 });
      // They lie there when the process goes on, as does the rest of the body of a request that began long before.
      sendRest();
      const waiting = [send(secret), check(secret, "1")].map((request, n) => request(frozen[n]?.url ?? ""));
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (const { container } of frozen) await container.kill("SIGCONT");
      for (const answer of await Promise.all(waiting)) expect([401, 503]).toContain(answer.status);
      expect([401, 408, 503]).toContain(await status);
    } finally {
      for (const { container } of frozen) await container.kill("SIGCONT");
    }
    const back = async () => {
      const isComplete = await everyoneActs();
      const statuses = await Promise.all([send(secret)(frozen[0].url), check(secret, "1")(frozen[1].url)]);
      return isComplete && statuses.every(({ status }) => status === 401);
    };
    await waitFor(back, { what: "the thawed to be back" });
  });

  test("refuse the tokens of a revoked signing key when that is answered, also a gateway that was frozen", async () => {
    const { metrly, gateways } = processes;
    const frozen = gateways[0] as RoleProcess;
    const issuer = await createTokenIssuer(metrly.dataDir);
    const request = { subject: "ada", roles: ["PLATFORM_ADMIN"], expiresInSeconds: 600 } as const;
    const [ring, old] = [await openKeyRing(keyFolder(metrly.dataDir)), await issuer.issue(request)];
    const before = await ring.current();
    await ring.rotate();
    admin = await (await createTokenIssuer(metrly.dataDir)).issue(request);
    expect(await everywhere("{ viewer { id } }", old)).toMatchObject({ data: { viewer: { id: "ada" } } });
    const sockets = await Promise.all(doors.map((url) => openSocket(url, old)));
    await frozen.container.kill("SIGSTOP");
    try {
      await ring.revoke(before.id);
      expect(await askRaw(metrly.url, old, "{ viewer { id } }")).toMatchObject({ status: 401 });
      const waiting = askRaw(frozen.url, old, "{ viewer { id } }");
      await new Promise((resolve) => setTimeout(resolve, 100));
      await frozen.container.kill("SIGCONT");
      expect(await waiting).toMatchObject({ status: 401 });
    } finally {
      await frozen.container.kill("SIGCONT");
    }
    for (const { closed } of sockets) expect(await closed).toBe(4401);
    expect(await everywhere("{ viewer { id } }")).toMatchObject({ data: { viewer: { id: "ada" } } });
  });
});

/** A request with one event, whose body is not complete yet. */
function openEvent(url: string, key: string): { readonly status: Promise<number | undefined>; sendRest(): void } {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "content-length": "2" };
  const event = { "ce-specversion": "1.0", "ce-type": "api.call", "ce-source": "test", "ce-id": "half" };
  const sent = request(`${url}/v1/events`, { method: "POST", headers: { ...headers, ...event } });
  const status = new Promise<number | undefined>((resolve, reject) => {
    sent.once("response", (response) => resolve(response.resume().statusCode)).once("error", reject);
  });
  sent.write("{");
  return { status, sendRest: () => sent.end("}") };
}

/** A socket with this token, acknowledged. Resolves to what will be the code that it is closed with. */
async function openSocket(url: string, token: string): Promise<{ readonly closed: Promise<number> }> {
  for (;;) {
    const socket = new WebSocket(`${url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    const closed = new Promise<number>((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => socket.once("open", resolve));
    const answered = new Promise<boolean>((resolve) => socket.once("message", () => resolve(true)));
    socket.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${token}` } }));
    // On a machine that stops for seconds, the time for the greeting may pass.
    if (await Promise.race([answered, closed.then(() => false)])) return { closed };
  }
}
