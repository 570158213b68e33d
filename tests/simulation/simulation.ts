import { BILLING_EVENTS, USAGE_RECORDED } from "#schema/topics.js";
import type { Flaw } from "./flaws.js";
import { installSimulation } from "./instance.js";
import { createSimulatedJobs } from "./jobs.js";
import { createSimulatedLog } from "./log.js";
import { createHistory, type Judged, judgeAlways, judgeAtRest, judgeInvoices } from "./oracle.js";
import { createProcesses } from "./processes.js";
import { createRest } from "./rest.js";
import { startBillingRole, startIngestionRole } from "./roles.js";
import { createScheduler, type Deviation } from "./scheduler.js";
import type { Server } from "./server.js";
import { METERS, TENANTS } from "./tenancy.js";
import { startClients } from "./workload.js";

export interface SimulationOptions {
  readonly seed: number;
  /** After so many steps nothing fails any more, and the system has to come to rest. */
  readonly steps: number;
  readonly servers: { readonly ingestion: Server; readonly billing: Server };
  readonly flaw?: Flaw;
  readonly replay?: readonly Deviation[];
  /** The replayed run is not the whole one: faults may come somewhat earlier or later than they did. */
  readonly isPart?: boolean;
  /** How often a step is a fault, 0 to 1; by default the seed decides. */
  readonly faultRate?: number;
  /** Of each tenant, 12 by default. */
  readonly events?: number;
  /** The run ends at this step, whether the system has come to rest or not. */
  readonly lastStep?: number;
}

export interface Outcome {
  readonly seed: number;
  readonly hash: string;
  readonly steps: number;
  readonly simulatedMs: number;
  /** What is wrong; empty: all is right. */
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly deviations: readonly Deviation[];
}

const PARTITIONS = 2;
/** Of each role. */
const INSTANCES = [1, 2];
/** Shortly before January's grace ends. */
const START_MS = Date.UTC(2026, 1, 3, 23, 59, 50);
/** Then February's has ended. */
const LEAP_MS = Date.UTC(2026, 2, 4, 0, 1);
/** January and February of each tenant. */
const CLOSED_PERIODS = 2 * TENANTS.length;
const EVENTS = 12;
const EVENT_TYPES = [...METERS.map(({ type }) => type), "unknown.type"];
const JUDGED_EVERY = 150;
/** Far more than an undisturbed system needs. */
const MAX_STEPS_TO_REST = 8_000;

/**
 * One run: everything that happens in it follows from the seed and the code. Faults for so many steps; then rest, a leap to the end
 * of the next billing period, and rest again.
 */
export async function simulate(options: SimulationOptions): Promise<Outcome> {
  const { seed, steps, servers, flaw, lastStep = Number.POSITIVE_INFINITY } = options;
  const scheduler = createScheduler({ ...options, startMs: START_MS });
  const restore = installSimulation(scheduler);
  const violations: string[] = [];
  const wrong = (what: string): void => void violations.push(what);
  const onUnhandled = (error: unknown): void => wrong(`an unhandled rejection: ${String(error)}`);
  process.on("unhandledRejection", onUnhandled);

  const log = createSimulatedLog(scheduler, PARTITIONS);
  const jobs = createSimulatedJobs(scheduler);
  const history = createHistory();
  const shared = { scheduler, log, servers, partitionCount: PARTITIONS };
  const processes = createProcesses({ ...shared, jobs, flaw, onFailed: wrong });
  scheduler.setFaults(processes.faults);
  for (const n of INSTANCES) processes.start(`ingestion-${n}`, startIngestionRole);
  for (const n of INSTANCES) processes.start(`billing-${n}`, startBillingRole);
  const clients = startClients({
    ...{ scheduler, history, edges: processes.edges, tenants: TENANTS, types: EVENT_TYPES },
    eventsPerTenant: options.events ?? EVENTS,
  });
  const rest = createRest({ ...shared, isAcknowledged: clients.isDone });
  const textsOf = (topic: typeof USAGE_RECORDED): string[][] =>
    Array.from({ length: PARTITIONS }, (_, partition) =>
      log.stored(topic, partition).map(({ value }) => value.toString("utf8")),
    );
  const judged: Judged = {
    ...{ history, meters: METERS, invoices: new Map() },
    ingestion: servers.ingestion.ask,
    billing: servers.billing.ask,
    published: () => textsOf(USAGE_RECORDED),
    announced: () => textsOf(BILLING_EVENTS).flat(),
  };

  let isLeapt = false;
  let calmSince = steps;

  /** True: the run is over. */
  async function judge(): Promise<boolean> {
    violations.push(...(await judgeAlways(judged)));
    if (violations.length > 0) return true;
    if (scheduler.steps() < steps) return false;
    const open = isLeapt ? await rest.unclosed(CLOSED_PERIODS) : await rest.unprocessed();
    if (open !== undefined) {
      const isLate = scheduler.steps() - calmSince > MAX_STEPS_TO_REST;
      if (isLate) wrong(`it did not come to rest in ${MAX_STEPS_TO_REST} steps: ${open}`);
      return isLate;
    }
    violations.push(...(isLeapt ? await judgeInvoices(judged) : await judgeAtRest(judged)));
    if (isLeapt) return true;
    isLeapt = true;
    calmSince = scheduler.steps();
    scheduler.leapTo(LEAP_MS);
    return false;
  }

  try {
    for (let isOver = false; !isOver && violations.length === 0 && scheduler.steps() < lastStep; ) {
      if (scheduler.steps() === steps) {
        scheduler.calm();
        processes.correctClocks();
      }
      await scheduler.step();
      if (scheduler.steps() % JUDGED_EVERY === 0) isOver = await judge();
    }
  } finally {
    process.off("unhandledRejection", onUnhandled);
    restore();
  }
  return {
    ...{ seed, violations },
    hash: scheduler.trace.hash(),
    steps: scheduler.steps(),
    simulatedMs: scheduler.nowMs() - START_MS,
    trace: scheduler.trace.lines,
    deviations: scheduler.deviations(),
  };
}
