import { connectJobQueues, type JobBackend } from "./bullmq/queues.js";

/** A process of its own that takes a job, says so and never finishes it: `node … <kind> <url> <prefix> <queue>`. */
const [kind = "redis", url = "", prefix = "", name = ""] = process.argv.slice(2);
const backend: JobBackend = kind === "postgres" ? { kind, url } : { kind: "redis", url };
const queues = await connectJobQueues({ backend, prefix, onError: console.error });
queues.work(
  name,
  { concurrency: 1, lockDurationMs: 1_000 },
  async ({ id }) => {
    process.stdout.write(`took ${id}\n`);
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  },
  console.error,
);
