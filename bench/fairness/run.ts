import "../support/full-speed.js";
import { parseArgs } from "node:util";
import { startKafka, startRedis } from "../../tests/servers/private-servers.js";
import { buildMeasured, runMeasured } from "../support/processes.js";
import { report, round } from "../support/report.js";
import type { FairnessResult } from "./rounds.js";

/** What tenants share, and the server that its measurement needs besides PostgreSQL. See bench/README.md. */
const PARTS: Readonly<Record<string, "kafka" | "redis" | undefined>> = {
  edge: "kafka",
  appender: "kafka",
  reads: undefined,
  deliveries: "redis",
  names: undefined,
  decisions: "redis",
  closes: "redis",
  verifications: undefined,
};

const { values } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(PARTS).join(",") },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
  },
});
const only = values.only.split(",");
const needs = (server: "kafka" | "redis"): boolean => only.some((part) => PARTS[part] === server);

await buildMeasured();
const kafka = needs("kafka") ? await startKafka() : undefined;
const redis = needs("redis") ? await startRedis() : undefined;
try {
  for (const part of only) await measure(part);
} finally {
  await kafka?.stop();
  await redis?.stop();
}

async function measure(part: string): Promise<void> {
  const flags = {
    rounds: values.rounds,
    seconds: values.seconds,
    "redis-url": redis?.url,
    brokers: kafka?.brokers.join(),
  };
  const args = Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
  const result: FairnessResult = JSON.parse(await runMeasured(`fairness/${part}`, args));
  report(`${part}: p99 of the others beside a tenant at 50 times its share`, {
    "times that without it": round(result.ratio, 1),
    ratios: result.ratios.map((ratio) => round(ratio, 1)),
    ...(result.elsewhereRatio !== undefined && { "on a server of its own": round(result.elsewhereRatio, 1) }),
    besideMs: round(result.besideMs, 1),
    withoutMs: round(result.withoutMs, 1),
    uses: result.uses,
    refused: result.othersRefused,
    loud: { served: result.loudServed, refused: result.loudRefused },
  });
}
