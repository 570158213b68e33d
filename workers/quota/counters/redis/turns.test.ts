import { expect, test } from "vitest";
import { CountersUnavailable } from "../counters.js";
import { createStoreClock } from "./clock.js";
import { createReplica, type Replica } from "./replica.js";
import type { RedisServer } from "./server.js";
import { createTurns } from "./turns.js";

/** A store that has no tenant and answers on demand. */
function slowStore() {
  const calls: { readonly tenants: readonly string[]; answer(): void; fail(error: Error): void }[] = [];
  const incarnation = { name: "life", since: 0, clock: createStoreClock(0, performance.now()) };
  const server = {
    known: () => incarnation,
    verified: async () => incarnation,
    mark: () => ({ keys: [], args: () => [], confirm: () => undefined }),
    evaluate: (_: unknown, keys: readonly string[], args: () => readonly string[]) =>
      new Promise((resolve, reject) => {
        const tenants = keys.filter((_, index) => index % 3 === 0);
        const missing = ["missing", args()[4]];
        calls.push({ tenants, answer: () => resolve([0, ...tenants.map(() => missing)]), fail: reject });
      }),
  } as unknown as RedisServer;
  return { calls, server };
}

function openTurns(together?: (tenantId: string) => number) {
  const { calls, server } = slowStore();
  const replicas = new Map<string, Replica>();
  const keysOf = (tenantId: string) => [tenantId, tenantId, tenantId] as const;
  const turns = createTurns({ server, together, onBounded: () => undefined });
  function ask(tenantId: string): Promise<string> {
    const replica = replicas.get(tenantId) ?? createReplica(tenantId, keysOf(tenantId));
    replicas.set(tenantId, replica);
    const answer = replica.run({
      at: undefined,
      work: 1,
      run: (tenant) => (tenant.state() === undefined ? "unknown" : "known"),
    });
    turns.join(replica);
    return answer;
  }
  return { calls, ask };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("what is asked in one turn is one call; what is asked during two calls forms the next one", async () => {
  const { calls, ask } = openTurns();
  const answers = [ask("a"), ask("b"), ask("a")];
  await turn();
  answers.push(ask("c"));
  await turn();
  for (const id of ["d", "e", "f"]) {
    answers.push(ask(id));
    await turn();
  }
  expect(calls.map(({ tenants }) => tenants)).toEqual([["a", "b"], ["c"]]);
  calls[0]?.answer();
  for (let n = 0; n < 3; n += 1) await turn();
  expect(calls[2]?.tenants).toEqual(["d", "e", "f"]);
  calls[1]?.answer();
  calls[2]?.answer();
  expect(new Set(await Promise.all(answers))).toEqual(new Set(["unknown"]));
});

test("tenants that may not share a call do not", async () => {
  const { calls, ask } = openTurns((tenantId) => tenantId.length);
  const answers = ["a", "bb", "c"].map(ask);
  await turn();
  expect(calls.map(({ tenants }) => tenants)).toEqual([["a", "c"], ["bb"]]);
  for (const call of calls) call.answer();
  await Promise.all(answers);
});

test("a tenant has one call in flight, and what is asked meanwhile is not answered by it", async () => {
  const { calls, ask } = openTurns();
  const first = ask("a");
  await turn();
  let isAnswered = false;
  const second = ask("a").then((answer) => {
    isAnswered = true;
    return answer;
  });
  for (let n = 0; n < 3; n += 1) await turn();
  expect(calls).toHaveLength(1);
  calls[0]?.answer();
  expect(await first).toBe("unknown");
  for (let n = 0; n < 3; n += 1) await turn();
  expect([calls.length, isAnswered]).toEqual([2, false]);
  calls[1]?.answer();
  expect(await second).toBe("unknown");
});

test("a tenant with 5,000 waiting steps delays another's by one call at most", async () => {
  const { calls, ask } = openTurns();
  const many = () => Array.from({ length: 5_000 }, () => ask("loud"));
  const answers = many();
  await turn();
  answers.push(ask("first"));
  await turn();
  answers.push(...many(), ask("second"));
  for (let n = 0; n < 3; n += 1) await turn();
  expect(calls.map(({ tenants }) => tenants)).toEqual([["loud"], ["first"]]);
  calls[1]?.answer();
  for (let n = 0; n < 3; n += 1) await turn();
  expect(calls[2]?.tenants).toEqual(["second"]);
  for (let n = 0; n < calls.length; n += 1) {
    calls[n]?.answer();
    for (let turns = 0; turns < 3; turns += 1) await turn();
  }
  await Promise.all(answers);
  // Each call runs a bounded part of them, so that none is long.
  expect(calls.length).toBeGreaterThan(10_000 / 128);
});

test.each([
  { beside: [], work: 128 },
  { beside: ["another"], work: 48 },
])("a call runs $work steps of a tenant beside $beside", async ({ beside, work }) => {
  const { calls, ask } = openTurns();
  let answered = 0;
  const others = beside.map(ask);
  const answers = Array.from({ length: 300 }, () => ask("loud").then(() => (answered += 1)));
  await turn();
  calls[0]?.answer();
  await Promise.all(others);
  await turn();
  expect(answered).toBe(work);
  for (let n = 1; answered < answers.length; n += 1) {
    await turn();
    calls[n]?.answer();
    await turn();
  }
});

test("when the store does not answer, what is queued fails at once; a refusal fails its own call", async () => {
  const { calls, ask } = openTurns();
  const outcomes: string[] = [];
  const asked = (id: string): Promise<unknown> =>
    ask(id).then(
      () => outcomes.push(`${id} answered`),
      ({ cause }: CountersUnavailable) => outcomes.push(`${id} ${cause instanceof Error ? cause.message : cause}`),
    );
  const all: Promise<unknown>[] = [];
  for (const id of ["a", "b", "waiting"]) {
    all.push(asked(id));
    await turn();
  }
  const refusal = Object.assign(new Error("OOM"), { name: "ReplyError" });
  calls[0]?.fail(new CountersUnavailable("", { cause: refusal }));
  for (let n = 0; n < 3; n += 1) await turn();
  expect(outcomes).toEqual(["a OOM"]);
  expect(calls[2]?.tenants).toEqual(["waiting"]);
  all.push(asked("last"));
  await turn();
  calls[1]?.fail(new CountersUnavailable("", { cause: new Error("Command timed out") }));
  for (let n = 0; n < 3; n += 1) await turn();
  calls[2]?.answer();
  await Promise.all(all);
  expect(outcomes).toEqual(["a OOM", "b Command timed out", "last Command timed out", "waiting answered"]);
});
