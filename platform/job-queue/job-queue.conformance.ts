import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { waitFor } from "../../tests/servers/servers.js";
import { compiledProgram } from "../../tests/support/program.js";
import { unlessStopped } from "../../tests/support/unless-stopped.js";
import { connectJobQueues, type JobQueuesOptions } from "./bullmq/queues.js";
import type { Job, JobQueues, QueueOptions } from "./job-queue.js";

const VICTIM = fileURLToPath(new URL("./job-queue-victim.conformance.ts", import.meta.url));

interface Data {
  readonly text: string;
}

/** What every adapter of the job queues must do; a new `connectJobQueues` finds the jobs that an earlier one left. */
export function describeJobQueues(name: string, options: () => JobQueuesOptions): void {
  const open = () => connectJobQueues(options());
  describe(`job queues: ${name}`, () => {
    let queues: JobQueues;
    let queueNumber = 0;
    let queueName = "";

    beforeEach(async () => {
      queueNumber += 1;
      queueName = `q${queueNumber}`;
      queues = await open();
    });
    afterEach(() => queues.stop());

    /** A worker that writes down what it runs. */
    function work(handle: (job: Job<Data>) => Promise<void> = async () => {}, options: Partial<QueueOptions> = {}) {
      const runs: Job<Data>[] = [];
      const errors: unknown[] = [];
      const worker = queues.work<Data>(
        queueName,
        { concurrency: 1, lockDurationMs: 30_000, ...options },
        async (job) => {
          runs.push(job);
          await handle(job);
        },
        (error) => errors.push(error),
      );
      const untilRan = (count: number) => waitFor(() => runs.length >= count, { what: `${count} runs` });
      return { worker, runs, errors, untilRan };
    }

    test("runs a job with its id and data", async () => {
      const { runs, untilRan } = work();
      await queues.queue<Data>(queueName).add("delivery-1", { text: "hello ü" });
      await untilRan(1);
      expect(runs).toEqual([{ id: "delivery-1", data: { text: "hello ü" } }]);
    });

    test("an id that waits is not added again", async () => {
      const queue = queues.queue<Data>(queueName);
      await queue.add("same", { text: "first" });
      await queue.add("same", { text: "second" });
      await queue.add("last", { text: "last" });
      const { runs, untilRan } = work();
      await untilRan(2);
      expect(runs.map(({ data }) => data.text)).toEqual(["first", "last"]);
    });

    test("an id can be used again after its job finished, and a number is an id too", async () => {
      const queue = queues.queue<Data>(queueName);
      const { runs, untilRan } = work();
      await queue.add("42", { text: "one" });
      await untilRan(1);
      await waitFor(
        async () => {
          await queue.add("42", { text: "two" });
          return runs.length >= 2;
        },
        { what: "the second run" },
      );
      expect(runs.slice(0, 2).map(({ id, data }) => [id, data.text])).toEqual([
        ["42", "one"],
        ["42", "two"],
      ]);
    });

    describe("a delayed job", () => {
      const again = unlessStopped();

      test("does not run before its time, and not long after it", again, async () => {
        const queue = queues.queue<Data>(queueName);
        let ranAt = 0;
        const { untilRan } = work(async () => {
          ranAt = Date.now();
        });
        const before = Date.now();
        await queue.add("later", { text: "x" }, 1_200);
        await untilRan(1);
        expect(ranAt - before).toBeGreaterThanOrEqual(1_195);
        expect(ranAt - before).toBeLessThan(6_000);
      });
    });

    test("a removed job does not run", async () => {
      const queue = queues.queue<Data>(queueName);
      await queue.add("gone", { text: "gone" });
      await queue.add("delayed", { text: "delayed" }, 300);
      await queue.remove("gone");
      await queue.remove("delayed");
      await queue.remove("never there");
      await queue.add("stays", { text: "stays" }, 600);
      const { runs, untilRan } = work();
      await untilRan(1);
      expect(runs.map(({ id }) => id)).toEqual(["stays"]);
    });

    test("a throwing handler is reported once, is not retried, and its id is free again", async () => {
      const queue = queues.queue<Data>(queueName);
      let isBroken = true;
      const { runs, errors, untilRan } = work(async () => {
        if (isBroken) throw new Error("receiver gone");
      });
      await queue.add("a", { text: "1" });
      await waitFor(() => errors.length > 0, { what: "the error" });
      isBroken = false;
      await waitFor(
        async () => {
          await queue.add("a", { text: "2" });
          return runs.length >= 2;
        },
        { what: "the second run" },
      );
      await untilRan(2);
      expect(errors).toMatchObject([{ message: "receiver gone" }]);
      expect(runs[1]?.data.text).toBe("2");
    });

    test("runs as many jobs at once as allowed, and no more", async () => {
      let active = 0;
      let most = 0;
      const { untilRan, worker } = work(
        async () => {
          active += 1;
          most = Math.max(most, active);
          await waitFor(() => most >= 3, { what: "as many jobs as are allowed" });
          // A fourth would begin meanwhile.
          await new Promise((resolve) => setTimeout(resolve, 60));
          active -= 1;
        },
        { concurrency: 3 },
      );
      const queue = queues.queue<Data>(queueName);
      await Promise.all(Array.from({ length: 12 }, (_, i) => queue.add(`j${i}`, { text: "x" })));
      await untilRan(12);
      await worker.stop();
      expect(most).toBe(3);
    });

    test("jobs survive that everything is closed and opened again", async () => {
      await queues.queue<Data>(queueName).add("kept", { text: "kept" });
      await queues.queue<Data>(queueName).add("kept-delayed", { text: "later" }, 500);
      await queues.stop();
      queues = await open();
      const { runs, untilRan } = work();
      await untilRan(2);
      expect(runs.map(({ id }) => id)).toEqual(["kept", "kept-delayed"]);
    });

    test("stop waits for the running job and starts no other", async () => {
      let finish = () => {};
      const gate = new Promise<void>((resolve) => {
        finish = resolve;
      });
      let isFinished = false;
      const { worker, runs, untilRan } = work(async () => {
        await gate;
        isFinished = true;
      });
      const queue = queues.queue<Data>(queueName);
      await queue.add("running", { text: "x" });
      await queue.add("waiting", { text: "x" });
      await untilRan(1);
      const stopped = worker.stop().then(() => isFinished);
      setTimeout(finish, 100);
      expect(await stopped).toBe(true);
      expect(runs).toHaveLength(1);
    });

    test("a job whose process was killed runs again", async () => {
      const { backend, prefix = "metrly" } = options();
      const victim = spawn(
        process.execPath,
        [await compiledProgram(VICTIM), backend.kind, backend.url, prefix, queueName],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      const output: string[] = [];
      victim.stdout.on("data", (chunk) => output.push(String(chunk)));
      try {
        await queues.queue<Data>(queueName).add("orphan", { text: "x" });
        await waitFor(() => output.join("").includes("took orphan"), {
          what: "the victim's start",
        });
      } finally {
        victim.kill("SIGKILL");
      }
      const { runs, untilRan } = work(undefined, { lockDurationMs: 1_000 });
      await untilRan(1);
      expect(runs).toEqual([{ id: "orphan", data: { text: "x" } }]);
    });

    test("an id with a colon is refused", async () => {
      await expect(queues.queue<Data>(queueName).add("a:b", { text: "x" })).rejects.toThrow(RangeError);
    });
  });
}
