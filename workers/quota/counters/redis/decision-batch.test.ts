import { expect, test } from "vitest";
import type { DecideRequest } from "../counters.js";
import { createDecisionBatch } from "./decision-batch.js";

const request = (tenantId: string, reservation: string): DecideRequest => ({
  ...{ tenantId, mode: "consume", reservation, ttlMs: 1_000, now: undefined },
  charges: [
    {
      ...{ counter: "calls", window: { kind: "sliding", windowMs: 60_000, bucketMs: 3_000 } },
      ...{ amount: 1, hardLimit: 5, settles: true, bounded: false },
    },
  ],
});

/** A store that answers "unknown" to everything, on demand. */
function slowStore() {
  const calls: { readonly tenantIds: readonly string[]; answer(): void; fail(error: Error): void }[] = [];
  const ask = ({ tenantIds, groups }: { tenantIds: readonly string[]; groups: readonly unknown[] }) =>
    new Promise<Float64Array>((resolve, reject) => {
      const items = groups.length;
      calls.push({ tenantIds, answer: () => resolve(new Float64Array(1 + items)), fail: reject });
    });
  return { calls, ask };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("requests of one turn are one batch; requests that arrive during two calls form the next batch", async () => {
  const { calls, ask } = slowStore();
  const { decide } = createDecisionBatch(ask);
  const answers = [decide(request("a", "1")), decide(request("b", "1"))];
  await turn();
  answers.push(decide(request("c", "1")));
  await turn();
  for (const id of ["d", "e", "f"]) {
    answers.push(decide(request(id, "1")));
    await turn();
  }
  expect(calls.map(({ tenantIds }) => tenantIds)).toEqual([["a", "b"], ["c"]]);
  calls[0]?.answer();
  await turn();
  await turn();
  expect(calls[2]?.tenantIds).toEqual(["d", "e", "f"]);
  calls[1]?.answer();
  calls[2]?.answer();
  expect(await Promise.all(answers)).toEqual(answers.map(() => ({ kind: "unknown" })));
});

test("when the store does not answer, queued requests fail immediately; a faulty call fails alone", async () => {
  const { calls, ask } = slowStore();
  const { decide } = createDecisionBatch(ask);
  const outcomes: string[] = [];
  const asked = async (id: string) => {
    await decide(request(id, "1")).then(
      () => outcomes.push(`${id} answered`),
      (error: Error) => outcomes.push(`${id} ${error.message}`),
    );
  };
  const all: Promise<void>[] = [];
  for (const id of ["a", "b", "waiting"]) {
    all.push(asked(id));
    await turn();
  }
  calls[0]?.fail(Object.assign(new Error("ERR in the script"), { name: "ReplyError" }));
  await turn();
  await turn();
  expect(outcomes).toEqual(["a ERR in the script"]);
  all.push(asked("last"));
  await turn();
  calls[1]?.fail(new Error("Command timed out"));
  await turn();
  calls[2]?.answer();
  await Promise.all(all);
  expect(outcomes).toEqual([
    "a ERR in the script",
    "b Command timed out",
    "last Command timed out",
    "waiting answered",
  ]);
});
