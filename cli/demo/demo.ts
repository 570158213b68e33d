import type { Logger } from "pino";
import { repeat } from "#platform/lifecycle/repeat.js";
import { nowMs } from "#platform/lifecycle/time.js";
import type { Config, Env } from "#platform/process/config.js";
import { findConnection } from "../connection/connection.js";
import { TENANTS } from "./catalog.js";
import { demoEvent } from "./events.js";
import { startDemoReceiver } from "./receiver.js";
import { type DemoKeys, newRunId, postEvents, seedDemo } from "./seed.js";

export interface DemoOptions {
  readonly url: string;
  readonly config: Config;
  readonly logger: Logger;
  readonly env: Env;
}

/** Seeds the demo, starts its receiver and its traffic, and prints commands to try. */
export async function openDemo({ url, config, logger, env }: DemoOptions): Promise<{ stop(): Promise<void> }> {
  const connection = await findConnection({ url }, env);
  const keys = await seedDemo(connection, config.dataDir, nowMs());
  const stopReceiver = await startDemoReceiver(
    connection,
    TENANTS.map((tenant) => tenant.id),
    logger,
  );
  const stopTraffic = startTraffic(url, keys, logger);
  process.stdout.write(firstScreen(url, keys));
  return {
    async stop() {
      await stopTraffic();
      await stopReceiver();
    },
  };
}

const EVERY_MS = 1_000;
const EVENTS_EACH = 2;

/** About two events a second for each tenant, until stopped. A refused batch is only logged: the next second tries again. */
function startTraffic(url: string, keys: DemoKeys, logger: Logger): () => Promise<void> {
  const runId = newRunId();
  let n = 0;
  const traffic = repeat({
    everyMs: EVERY_MS,
    first: "later",
    async run() {
      const numbers = Array.from({ length: EVENTS_EACH }, (_, i) => n + i);
      n += EVENTS_EACH;
      await Promise.all(
        TENANTS.map(({ id }) =>
          postEvents(
            url,
            keys[id] ?? "",
            numbers.map((number) => demoEvent(id, runId, number)),
          ),
        ),
      );
    },
    onError: (error) => logger.warn({ err: error }, "demo: a batch of traffic was refused"),
  });
  return traffic.stop;
}

function firstScreen(url: string, keys: DemoKeys): string {
  return `
Metrly is running, with demo data: ${TENANTS.map((tenant) => tenant.id).join(", ")}; last month is closed, events are arriving.

  Explorer      ${url}/

  Post an event
    curl -s ${url}/v1/events -H 'Authorization: Bearer ${keys.acme}' \\
      -H 'Content-Type: application/cloudevents+json' \\
      -d '{"specversion":"1.0","id":"hello-1","source":"curl","type":"api.request","data":{"region":"eu-west"}}'

  Consume quota (the limit is 1000 an hour: repeat it with new keys until it denies)
    curl -s ${url}/v1/quota/consume -H 'Authorization: Bearer ${keys.acme}' \\
      -H 'Content-Type: application/json' \\
      -d '{"meter":"api_calls","amount":"400","idempotencyKey":"try-1"}'

  Watch alerts
    npx metrly alerts watch

Ctrl-C stops everything. METRLY_DEMO=off starts without demo data.
`;
}
