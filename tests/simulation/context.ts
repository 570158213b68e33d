import { type Logger, pino } from "pino";
import { Registry } from "prom-client";
import { createIdentityTokens } from "#platform/auth/identity.js";
import type { LedgerClient } from "#platform/ledger/client.js";
import { systemClock } from "#platform/process/clock.js";
import { type Config, parseConfig } from "#platform/process/config.js";
import type { ServiceName } from "#platform/process/services.js";
import { readLedger } from "../../workers/ingestion/store/ledger.js";
import type { SimulatedCounters } from "./counters.js";
import { openSimulatedDatabase, type SimulatedDatabase } from "./database.js";
import type { Instance } from "./engine/instance.js";
import type { Scheduler } from "./engine/scheduler.js";
import type { Flaw } from "./flaws.js";
import type { SimulatedJobs } from "./jobs.js";
import type { SimulatedLog } from "./ports/log.js";
import type { RoleContext } from "./ports/serving.js";
import type { SimulatedReceivers } from "./receivers.js";
import type { Servers } from "./servers.js";
import { tenancyCopy } from "./tenancy/fixed-copy.js";
import type { LateMeter } from "./tenancy/late-meter.js";

/** What all processes of an installation share. */
export interface World {
  readonly scheduler: Scheduler;
  readonly log: SimulatedLog;
  readonly jobs: SimulatedJobs;
  readonly counters: SimulatedCounters;
  readonly receivers: SimulatedReceivers;
  readonly servers: Servers;
  readonly partitionCount: number;
  /** Undefined: all meters are there from the start. */
  readonly lateMeter: LateMeter | undefined;
  /** Whether limits count by lanes, too. */
  readonly withLanes: boolean;
  /** Whether some tenants have a limit in money. */
  readonly withMoney: boolean;
  readonly flaw?: Flaw | undefined;
  /** A process ended with an error that a restart does not mend, or reported what must not happen. */
  onFailed(what: string): void;
}

const TICK_MS = 5_000;
const MAX_DIMENSION_VALUES = 100;
const ERROR = 50;
const identityTokens = createIdentityTokens("a secret of the simulation");

const configOf = (partitions: number): Config => ({
  ...parseConfig({}),
  partitions,
  tickIntervalMs: TICK_MS,
  maxDimensionValues: MAX_DIMENSION_VALUES,
});

/** Every port of a process with its simulated adapter. `databases`: what it opens is added. */
export function contextOf(world: World, instance: Instance, databases: SimulatedDatabase[]): RoleContext {
  const { scheduler, servers, flaw } = world;
  function open(name: ServiceName): SimulatedDatabase {
    const server = servers.of(name);
    const opened = openSimulatedDatabase({ scheduler, instance, name, server, flaw: flaw?.statements });
    databases.push(opened);
    return opened;
  }
  const counters = world.counters.of(instance);
  const log = world.log.of(instance, flaw?.early);
  let ofLedger: SimulatedDatabase | undefined;
  /** As the ledger API of an ingestion process does. */
  const ledger: LedgerClient = {
    read(query) {
      ofLedger ??= open("ingestion");
      return readLedger(ofLedger, query);
    },
  };
  return {
    instance: instance.name,
    config: configOf(world.partitionCount),
    clock: systemClock,
    logger: loggerOf(world, instance),
    metrics: new Registry(),
    log: flaw?.log?.(log) ?? log,
    jobs: world.jobs.of(instance),
    counters: flaw?.counters?.(counters) ?? counters,
    post: flaw?.post?.(world.receivers.of(instance)) ?? world.receivers.of(instance),
    asked: (change) => flaw?.change?.(change) ?? change,
    tenancy: tenancyCopy(instance, world),
    self: undefined,
    ledger,
    identityTokens,
    openDatabase: async (name) => open(name),
    fail: (error) => world.onFailed(`${instance.name} failed: ${String(error)}`),
  };
}

/** Any error that a consumer tries again after; most are faults of the simulation. */
const RETRIED = /retries after an error|will be (?:redelivered|retried)/;

/** What a process logs is a part of the trace; another error says that somebody has to mend something. */
function loggerOf({ scheduler, onFailed }: World, { name }: Instance): Logger {
  const options = { level: "warn", base: null, timestamp: false, serializers: { err: String } };
  return pino(options, {
    write(line) {
      scheduler.trace.add(`  ${name} logs ${line.trimEnd()}`);
      const { level, msg }: { readonly level: number; readonly msg: string } = JSON.parse(line);
      if (level >= ERROR && !RETRIED.test(msg)) onFailed(`${name} logs ${line.trimEnd()}`);
    },
  });
}
