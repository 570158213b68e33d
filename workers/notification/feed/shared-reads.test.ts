import { expect, test } from "vitest";
import { deferred } from "#platform/lifecycle/deferred.js";
import { waitFor } from "../../../tests/servers/servers.js";
import { createSharedReads } from "./shared-reads.js";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("those who ask for the same at once share a read, and who asks while it runs gets the next one", async () => {
  const ask = createSharedReads<number>();
  const reads: ReturnType<typeof deferred<number>>[] = [];
  const read = () => {
    const begun = deferred<number>();
    reads.push(begun);
    return begun.promise;
  };
  const first = [ask("a", read), ask("a", read), ask("b", read)];
  await waitFor(() => reads.length === 2, { what: "two reads" });
  const late = ask("a", read);
  await waitFor(() => reads.length === 3, { what: "another one" });
  for (const [n, { resolve }] of reads.entries()) resolve(n);
  expect(await Promise.all([...first, late])).toEqual([0, 0, 1, 2]);
});

test("thousands are answered in several turns", async () => {
  const ask = createSharedReads<number>();
  let answered = 0;
  for (let n = 0; n < 1_000; n += 1) void ask("a", async () => 1).then(() => answered++);
  let most = 0;
  while (answered < 1_000) {
    const before = answered;
    await turn();
    most = Math.max(most, answered - before);
  }
  expect(most).toBeLessThanOrEqual(100);
});

test("a failed read fails for all who asked, and not for those who ask later", async () => {
  const ask = createSharedReads<number>();
  const failing = async () => {
    throw new Error("no");
  };
  const settled = await Promise.allSettled([ask("a", failing), ask("a", failing)]);
  expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await ask("a", async () => 1)).toBe(1);
});
