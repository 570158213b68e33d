import { BILLING_EVENTS, QUOTA_ALERTS, type Topic, USAGE_RECORDED } from "#schema/topics.js";
import { randomOf } from "../support/random.js";
import { createSimulatedCounters } from "./counters.js";
import { createAuditor, type Previewed } from "./credits/auditor.js";
import {
  judgeAnnouncedCredits,
  judgeCreditsAtRest,
  judgeEachInvoice,
  judgePreviews,
  judgeShownCredits,
} from "./credits/judge.js";
import { startTreasurers } from "./credits/treasurer.js";
import { installSimulation } from "./engine/instance.js";
import type { Phase } from "./engine/phase.js";
import { createScheduler, type Deviation } from "./engine/scheduler.js";
import type { Flaw } from "./flaws.js";
import { startInspection } from "./inspection.js";
import { createSimulatedJobs } from "./jobs.js";
import { createHistory } from "./judge/history.js";
import { judgeInvoices } from "./judge/invoices.js";
import type { Judged } from "./judge/judged.js";
import { judgeAdmissionsToLanes, judgeLanesAtRest } from "./judge/lanes.js";
import { judgeLedger, judgeLedgerAtRest } from "./judge/ledger.js";
import { judgeSpending } from "./judge/money.js";
import { judgeNotices, judgeNoticesAtRest } from "./judge/notices.js";
import { judgeAdmissions, judgeQuotasAtRest, sampleOf } from "./judge/quotas.js";
import { countedOf, recordedOf } from "./judge/recorded.js";
import { createSimulatedLog } from "./ports/log.js";
import { progressOf } from "./ports/requests.js";
import type { Role } from "./ports/serving.js";
import { createProcesses } from "./processes.js";
import { createEndpoints, createSimulatedReceivers } from "./receivers.js";
import { createRest } from "./rest.js";
import { startBillingRole, startIngestionRole, startNotificationRole, startQuotaRole } from "./roles.js";
import type { Servers } from "./servers.js";
import { tenancyOf } from "./tenancy/fixed-copy.js";
import { createLateMeter } from "./tenancy/late-meter.js";
import { startTenancyPart } from "./tenancy/part.js";
import { startReaderRole, startTenancyRole } from "./tenancy/roles.js";
import { createCreditHistory } from "./terms/credits.js";
import { plansOf } from "./terms/plans.js";
import { LATE_METER, METERS, TENANTS } from "./terms/terms.js";
import { startClients } from "./workload.js";

export interface SimulationOptions {
  readonly seed: number;
  /** After so many steps nothing fails any more, and the system has to come to rest; twice. */
  readonly steps: number;
  readonly servers: Servers;
  readonly flaw?: Flaw;
  readonly replay?: readonly Deviation[];
  /** The replayed run is not the whole one: faults may come somewhat earlier or later than they did. */
  readonly isPart?: boolean;
  /** How often a step is a fault, 0 to 1; by default the seed decides. */
  readonly faultRate?: number;
  /** Of each tenant, 12 by default. */
  readonly events?: number;
  /** Without quota a run is a third shorter, for what quota has no part in. */
  readonly withoutQuota?: boolean;
  /** The same of notification. */
  readonly withoutNotification?: boolean;
  /** The same of tenancy's changes. */
  readonly withoutTenancy?: boolean;
  /** The same of the meter that is created during a run, with a backfill. */
  readonly withoutBackfill?: boolean;
  /** Limits that count by a dimension, and with a filter. */
  readonly withLanes?: boolean;
  /** Limits in money, and prices of lanes: of some tenants, one of which gets another plan with the second billing period. */
  readonly withMoney?: boolean;
  /** Prepaid credits, which treasurers grant and take back. */
  readonly withCredits?: boolean;
  /** Tenancy alone: no usage, and so no ingestion, billing, quota and notification. */
  readonly withoutUsage?: boolean;
  /** Of each operator, 6 by default. */
  readonly commands?: number;
  /** How often the counters are lost in the first seconds, beside faults; 0 by default. */
  readonly counterLosses?: number;
  /** Of each role, 2 by default: with one a run is half as long, for what needs no rival. */
  readonly instances?: number;
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
const INSTANCES = 2;
const ROLES: Readonly<Record<string, Role>> = {
  ingestion: startIngestionRole,
  billing: startBillingRole,
  quota: startQuotaRole,
  notification: startNotificationRole,
  tenancy: startTenancyRole,
  reader: startReaderRole,
};
const ROLES_OF_USAGE = ["ingestion", "billing"];
/** Where tenancy alone breaks, if at all. */
const PORTS_OF_TENANCY = ['"public"."tenancy_head"', "COMMIT", "append"];
const ROLES_OF_TENANCY = ["tenancy", "reader"];
/** January's grace ends shortly before or after the start. */
const GRACE_ENDS_MS = Date.UTC(2026, 1, 4);
const START_WITHIN_MS = 6_000;
/** An hour and the longest bound after the last admission, nothing is reserved. */
const INSPECTED_AFTER_MS = 80 * 60_000;
/** Then February's grace has ended, too. */
const LEAP_MS = Date.UTC(2026, 2, 4, 0, 1);
const SENT_WITHIN_STEPS = 300;
/** Ten attempts take seven days at most. */
const MAX_STEPS_TO_DELIVER = 60_000;
const LONGEST_SCHEDULE_MS = 8 * 86_400_000;
const PERIODS = [Date.UTC(2026, 0), Date.UTC(2026, 1)];
const EVENTS = 12;
const COMMANDS = 6;
const EVENT_TYPES = [...new Set(METERS.map(({ type }) => type)), "unknown.type"];
/** Its share is that of several types. */
const LATE_TYPES = [LATE_METER.type, LATE_METER.type];
/** In runs with money; no other limit is on it. */
const SOLD = { meter: "sales", type: "shop.order", isSum: true };
const LIMITED = [
  { meter: "calls", type: "api.request", isSum: false },
  { meter: "bytes", type: "api.transfer", isSum: true },
];
/** What is taken back returns credits. */
const MISTAKES_WITH_CREDITS = 0.25;
const JUDGED_EVERY = 150;
/** At the end, what is waited for is looked at more often. */
const LOOKED_EVERY = 50;
/** Until its invoices are announced, and somewhat longer. */
const CLOSING_STEPS = 800;
/** Far more than an undisturbed system needs. */
const MAX_STEPS_TO_REST = 10_000;

/**
 * One run: everything that happens in it follows from the seed and the code. Faults for so many steps; then rest, two inspections, a
 * leap to the end of the next billing period, which is closed under faults, and rest again.
 */
export async function simulate(options: SimulationOptions): Promise<Outcome> {
  const { seed, steps, servers, flaw, lastStep = Number.POSITIVE_INFINITY } = options;
  const startMs = GRACE_ENDS_MS - Math.floor((randomOf(seed)() - 0.1) * START_WITHIN_MS);
  const hasUsage = options.withoutUsage !== true;
  const hasQuota = hasUsage && options.withoutQuota !== true;
  const hasNotification = hasUsage && options.withoutNotification !== true;
  const hasTenancy = options.withoutTenancy !== true;
  const ports = [...(hasNotification ? ["post"] : []), ...(hasUsage ? [] : PORTS_OF_TENANCY)];
  const scheduler = createScheduler({ ...options, startMs, ports });
  let restore = installSimulation(scheduler);
  /** Asks outside of the simulation, in the machine's own time. */
  async function outside<T>(ask: () => Promise<T>): Promise<T> {
    restore();
    try {
      return await ask();
    } finally {
      restore = installSimulation(scheduler);
    }
  }
  const violations: string[] = [];
  const wrong = (what: string): void => void violations.push(what);
  const onUnhandled = (error: unknown): void => wrong(`an unhandled rejection: ${String(error)}`);
  process.on("unhandledRejection", onUnhandled);

  const log = createSimulatedLog(scheduler, PARTITIONS);
  const history = createHistory();
  const receivers = createSimulatedReceivers(scheduler);
  const isLate = hasUsage && options.withoutBackfill !== true;
  const lateMeter = isLate ? createLateMeter({ scheduler, log, partitionCount: PARTITIONS }) : undefined;
  const withLanes = options.withLanes === true;
  const withMoney = options.withMoney === true;
  const planOf = plansOf(withMoney);
  const withCredits = hasUsage && options.withCredits === true;
  const processes = createProcesses({
    ...{ scheduler, log, servers, flaw, lateMeter, withLanes, withMoney, partitionCount: PARTITIONS, onFailed: wrong },
    jobs: createSimulatedJobs(scheduler),
    counters: createSimulatedCounters(scheduler, options.counterLosses),
    receivers,
  });
  scheduler.setFaults(processes.faults);
  const left = new Set([
    ...(hasUsage ? [] : ROLES_OF_USAGE),
    ...(hasQuota ? [] : ["quota"]),
    ...(hasNotification ? [] : ["notification"]),
    ...(hasTenancy ? [] : ROLES_OF_TENANCY),
  ]);
  await createEndpoints(servers.of("notification"));
  for (const [role, start] of Object.entries(ROLES))
    for (let n = 1; n <= (options.instances ?? INSTANCES); n += 1)
      if (!left.has(role)) processes.start(`${role}-${n}`, start);
  const quota = servers.of("quota");
  const sample = () => sampleOf(quota.ask, scheduler.nowMs());
  const clients = startClients({
    ...{ scheduler, history, processes: processes.reachable, tenants: hasUsage ? TENANTS : [] },
    types: isLate ? [...EVENT_TYPES, ...LATE_TYPES] : EVENT_TYPES,
    limited: hasQuota ? [...LIMITED, ...(withMoney ? [...LIMITED.slice(1), SOLD] : [])] : [],
    keepsOpen: withMoney,
    eventsPerTenant: options.events ?? EVENTS,
    ...(withCredits && { mistakes: MISTAKES_WITH_CREDITS }),
    sample,
  });
  const credits = createCreditHistory();
  const treasurers = startTreasurers({
    ...{ scheduler, processes: processes.reachable, history: credits },
    tenants: withCredits ? TENANTS : [],
  });
  const auditor = createAuditor({
    urlOf: (service) => servers.of(service).url,
    tenancy: tenancyOf({ lateMeter, withLanes, withMoney }),
    partitions: PARTITIONS,
    nowMs: scheduler.nowMs,
  });
  let previewed: readonly Previewed[] = [];
  const tenancy = hasTenancy
    ? startTenancyPart({
        ...{ scheduler, log, partitionCount: PARTITIONS, processes: processes.reachable },
        database: servers.of("tenancy").ask,
        isOneFrozen: processes.isOneFrozen,
        commands: options.commands ?? COMMANDS,
        // The simulated ingestion does not know these meters.
        withBackfill: !hasUsage,
      })
    : undefined;
  const users = progressOf([clients, treasurers]);
  const areClientsDone = () => users.isDone() && lateMeter?.isAnnounced() !== false;
  const rest = createRest({ log, servers, hasQuota, partitionCount: PARTITIONS, areClientsDone });
  const recordsOf = (topic: Topic): Buffer[][] =>
    Array.from({ length: PARTITIONS }, (_, partition) => log.stored(topic, partition).map(({ value }) => value));
  const textsOf = (topic: Topic): string[] =>
    recordsOf(topic)
      .flat()
      .map((value) => value.toString("utf8"));
  const judged: Judged = {
    ...{ history, planOf, invoices: new Map() },
    ingestion: servers.of("ingestion").ask,
    billing: servers.of("billing").ask,
    quota: quota.ask,
    notification: servers.of("notification").ask,
    received: receivers.received,
    quietSince: () => quietSince,
    leaps: () => leaps,
    published: () => recordsOf(USAGE_RECORDED),
    announced: () => textsOf(BILLING_EVENTS),
    alerts: () => textsOf(QUOTA_ALERTS),
    areClocksRight: () => !processes.haveClocksJumped(),
  };

  /** At rest, before the second period ends. */
  async function judgeCredits(): Promise<string[]> {
    const shown = await outside(auditor.shown);
    // What a wrong clock ended is not previewed any more.
    previewed = judged.areClocksRight() ? await outside(auditor.previewed) : [];
    return [...(await judgeCreditsAtRest(judged, credits)), ...(await judgeShownCredits(judged, shown))];
  }

  /** When all periods are closed. */
  async function judgeBilled(): Promise<string[]> {
    const shown = await outside(auditor.shown);
    return [
      ...(await judgeCreditsAtRest(judged, credits)),
      ...(await judgeShownCredits(judged, shown)),
      ...(await judgeAnnouncedCredits(judged)),
      ...(await judgeEachInvoice(judged)),
      ...(await judgePreviews(judged, previewed, PERIODS.at(-1) ?? 0)),
      ...(await outside(auditor.rederived)),
    ];
  }

  let inspection: ReturnType<typeof startInspection> | undefined;
  const inspected = (isLater: boolean): Phase => ({
    async begin() {
      if (isLater) leapTo(scheduler.nowMs() + INSPECTED_AFTER_MS);
      const counted = countedOf(await recordedOf(judged));
      const options = { scheduler, reachable: processes.reachable, isLater, areClocksRight: judged.areClocksRight() };
      inspection = startInspection({ ...options, withLanes, planOf, counted, sample: await sample() });
    },
    open: async () => (inspection?.found() === undefined ? "the inspection goes on" : undefined),
    judge: () => inspection?.found() ?? [],
  });
  let waiting: string | undefined;
  let begun = 0;
  let endsAt = Number.POSITIVE_INFINITY;
  let deliveredBy = Number.POSITIVE_INFINITY;
  const leaps: number[] = [];
  function leapTo(ms: number): void {
    scheduler.leapTo(ms);
    leaps.push(scheduler.nowMs());
  }
  let quietSince = Number.POSITIVE_INFINITY;
  /** Receivers that fail are sent to for days. */
  const delivered: Phase = {
    begin() {
      quietSince = scheduler.nowMs();
      deliveredBy = quietSince + LONGEST_SCHEDULE_MS;
      endsAt = scheduler.steps() + MAX_STEPS_TO_DELIVER;
    },
    async open() {
      if (scheduler.nowMs() > deliveredBy || scheduler.steps() > endsAt)
        wrong(`deliveries neither arrive nor end: ${waiting}`);
      const { what, dueAt = 0 } = (await rest.undelivered()) ?? {};
      // Ten attempts in a row are no standstill.
      if (what !== waiting) calmAt = scheduler.steps();
      // What is being sent ends before, and what became of it is noted: a transaction would be too long after the leap.
      else if (scheduler.steps() > calmAt + SENT_WITHIN_STEPS && !servers.of("notification").isInTransaction())
        scheduler.leapTo(dueAt);
      waiting = what;
      return what;
    },
    judge: () => judgeNoticesAtRest(judged),
  };
  const usage: Phase[] = [
    {
      async open() {
        // Clients who go on are no standstill: with quota and credits, what they do takes many steps.
        if (users.begun() !== begun) calmAt = scheduler.steps();
        begun = users.begun();
        return processes.isOneFrozen() ? "a process is frozen" : rest.unprocessed();
      },
      judge: async () => [
        ...(await judgeLedgerAtRest(judged)),
        ...(hasQuota ? await judgeQuotasAtRest(judged) : []),
        ...(hasQuota && (withLanes || withMoney) ? await judgeLanesAtRest(judged, withLanes) : []),
        ...(withCredits ? await judgeCredits() : []),
      ],
    },
    ...(hasQuota ? [inspected(false), inspected(true)] : []),
    {
      begin() {
        leapTo(LEAP_MS);
        // The second period is closed and announced under faults, too.
        calmAt = scheduler.steps() + CLOSING_STEPS;
        scheduler.disturb();
      },
      open: () => rest.unclosed(PERIODS.length * TENANTS.length),
      judge: async () => [
        ...(await judgeLedgerAtRest(judged)),
        ...(await judgeInvoices(judged, TENANTS, PERIODS)),
        ...(withCredits ? await judgeBilled() : []),
      ],
    },
    ...(hasNotification ? [delivered] : []),
  ];
  /** Operators who go on are no standstill: beside usage, a second takes many steps. */
  const changed = (phase: Phase): Phase => ({
    ...phase,
    async open() {
      const what = await phase.open();
      if (what !== waiting) calmAt = scheduler.steps();
      waiting = what;
      return what;
    },
  });
  const phases: Phase[] = [...(tenancy === undefined ? [] : [changed(tenancy.phase)]), ...(hasUsage ? usage : [])];
  let calmAt = steps;
  /** When a process was seen frozen last. */
  let frozenAt = 0;

  async function judge(): Promise<void> {
    const areClocksRight = judged.areClocksRight();
    if (hasUsage) {
      violations.push(...(await judgeLedger(judged)));
      const known = { history, areClocksRight, planOf, recorded: await recordedOf(judged) };
      violations.push(...judgeAdmissions(known), ...(withLanes ? judgeAdmissionsToLanes(known) : []));
      if (withMoney) violations.push(...judgeSpending(known));
    }
    violations.push(...((await tenancy?.judge()) ?? []));
    if (hasNotification) violations.push(...(await judgeNotices(judged)));
    if (hasQuota) history.samples.push(await sample());
  }

  /** Goes on to the next phase when this one has come to rest. */
  async function look(): Promise<void> {
    const open = await phases[0]?.open();
    // It thaws by itself, but with tenancy beside usage a freeze takes more steps than rest does.
    if (processes.isOneFrozen()) frozenAt = scheduler.steps();
    if (open !== undefined) {
      if (scheduler.steps() - Math.max(calmAt, frozenAt) > MAX_STEPS_TO_REST)
        wrong(`it did not come to rest in ${MAX_STEPS_TO_REST} steps: ${open}`);
      return;
    }
    await judge();
    violations.push(...((await phases.shift()?.judge()) ?? []));
    calmAt = scheduler.steps();
    await phases[0]?.begin?.();
  }

  try {
    while (phases.length > 0 && violations.length === 0 && scheduler.steps() < lastStep) {
      if (scheduler.steps() === calmAt) {
        scheduler.calm();
        processes.correctClocks();
      }
      await scheduler.step();
      const isCalm = scheduler.steps() >= calmAt;
      if (scheduler.steps() % JUDGED_EVERY === 0) await judge();
      if (isCalm && scheduler.steps() % LOOKED_EVERY === 0) await look();
    }
  } finally {
    process.off("unhandledRejection", onUnhandled);
    restore();
  }
  return {
    ...{ seed, violations },
    hash: scheduler.trace.hash(),
    steps: scheduler.steps(),
    simulatedMs: scheduler.nowMs() - startMs,
    trace: scheduler.trace.lines,
    deviations: scheduler.deviations(),
  };
}
