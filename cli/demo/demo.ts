import path from "node:path";
import type { Logger } from "pino";
import { repeat } from "#platform/lifecycle/repeat.js";
import { monotonicMs, nowMs } from "#platform/lifecycle/time.js";
import type { Config, Env } from "#platform/process/config.js";
import { asTyped, dataDirSetting, startAsTyped } from "../as-typed.js";
import { portOfUrl } from "../connection/address.js";
import { findConnection } from "../connection/connection.js";
import { TENANTS } from "./catalog.js";
import { type DemoEvent, demoEvent, HABITS, type Habit } from "./events.js";
import { startDemoReceiver } from "./receiver.js";
import { type DemoKeys, newRunId, postEvents, seedTenants, seedUsage } from "./seed.js";

export interface DemoOptions {
  readonly url: string;
  readonly config: Config;
  readonly logger: Logger;
  readonly env: Env;
  /** Where the log is, if the terminal shows only a part of it. */
  readonly logFile: string | undefined;
  /** Where the tutorial is; undefined: a packed server has none. */
  readonly tutorial: string | undefined;
  /** Called with the webhook endpoint that the demo makes fail, before it does. */
  willFail(endpointId: string): void;
}

/** Seeds the demo, starts its receiver and its traffic, and prints commands to try. */
export async function openDemo(options: DemoOptions): Promise<{ stop(): Promise<void> }> {
  const { url, config, logger, env } = options;
  const connection = await findConnection({ url }, env);
  const demo = await seedTenants(connection, config.dataDir, nowMs());
  // Before usage, which raises alerts.
  const stopReceiver = await startDemoReceiver(
    connection,
    TENANTS.map((tenant) => tenant.id),
    options,
  );
  await seedUsage(connection, demo, nowMs());
  const { keys } = demo;
  const stopTraffic = startTraffic(url, keys, logger);
  process.stdout.write(firstScreen(url, keys, options));
  return {
    async stop() {
      await stopTraffic();
      await stopReceiver();
    },
  };
}

/** How often the tenants look whether it is time. */
const LOOK_MS = 250;

/** The tenants' habits, until stopped: each asks quota first, and tracks what was allowed. What fails is only logged. */
function startTraffic(url: string, keys: DemoKeys, logger: Logger): () => Promise<void> {
  const runId = newRunId();
  const habits = TENANTS.flatMap(({ id }) =>
    HABITS[id].map((habit) => ({ key: keys[id] ?? "", habit, next: 0, n: 0 })),
  );
  const traffic = repeat({
    everyMs: LOOK_MS,
    first: "later",
    async run() {
      const now = monotonicMs();
      const due = habits.filter(({ next }) => next <= now);
      // After a suspended machine wakes up, nothing is caught up on.
      for (const one of due) one.next = Math.max(now, one.next + one.habit.everyMs);
      await Promise.all(due.map((one) => use(url, one.key, one.habit, demoEvent(one.habit, runId, one.n++))));
    },
    onError: (error) => logger.warn({ err: error }, "demo: usage was refused"),
  });
  return traffic.stop;
}

/** A good customer: the event settles what was allowed under its id. */
async function use(url: string, key: string, { meter, amountOf }: Habit, event: DemoEvent): Promise<void> {
  const response = await fetch(`${url}/v1/quota/consume`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ meter, amount: amountOf(event), idempotencyKey: event.id }),
  });
  const { allowed } = (await response.json()) as { allowed?: boolean };
  if (allowed) await postEvents(url, key, [event]);
}

function firstScreen(url: string, keys: DemoKeys, { logFile, tutorial }: DemoOptions): string {
  const log = logFile === undefined ? "" : `\n  Log           ${path.relative(process.cwd(), logFile) || logFile}`;
  return `
Metrly is running, with three demo tenants: ${TENANTS.map((tenant) => tenant.id).join(", ")}.
Their last month is invoiced, and events are arriving.

  Explorer      ${url}/
  Data plane    ${url}/docs${log}${tutorial === undefined ? "" : `\n  Tutorial      ${tutorial}`}

  Post an event
    curl -s ${url}/v1/events -H 'Authorization: Bearer ${keys.acme}' \\
      -H 'Content-Type: application/cloudevents+json' \\
      -d '{"specversion":"1.0","id":"hello-1","source":"curl","type":"api.request","data":{"region":"eu-west"}}'

  Consume quota (1,000 an hour: repeat it with new keys until it denies)
    curl -s ${url}/v1/quota/consume -H 'Authorization: Bearer ${keys.acme}' \\
      -H 'Content-Type: application/json' \\
      -d '{"meter":"api_calls","amount":"400","idempotencyKey":"try-1"}'

  Watch alerts: usage near or over a limit, or denied because nothing is left
    ${dataDirSetting()}${asTyped("alerts watch")}

  Start it without demo data, or on another port
    METRLY_DEMO=off ${startAsTyped()}
    METRLY_PORT=${otherPort(url)} ${startAsTyped()}

Ctrl-C stops everything.
`;
}

const otherPort = (url: string): number => Math.min(portOfUrl(url) + 100, 65_535);
