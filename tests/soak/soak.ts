import { copyFile, mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { MINUTE_MS } from "#kernel/duration.js";
import { allReady, type MatrixWorld, startMatrixWorld } from "../faults/world.js";
import { explain } from "../oracle/judge.js";
import { serverDir } from "../servers/run-dir.js";
import { runCli } from "../support/cli.js";
import { randomOf } from "../support/random.js";
import { dice } from "../systems/whole-path/life/terms.js";
import { issueKey } from "../systems/whole-path/proof.js";
import { type Answers, countAnswers, KINDS, keepDoing, pace } from "./answers.js";
import { BATCH, type Bulk, startBulk } from "./bulk.js";
import { faultEachMinute, type Struck } from "./faults.js";
import { type Generation, startGeneration } from "./generation.js";
import { type Growth, growthOf, median } from "./memory.js";
import { type Receiver, startReceiver } from "./receiver.js";
import { aboutNow, type Rates, type SoakResult, type Spread } from "./results.js";
import { type Sample, type Sampler, startSampler } from "./samples.js";
import { createVerdicts, type Verdicts } from "./verdicts.js";

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  print(line: string): void;
}

export interface Soaked {
  readonly result: SoakResult;
  readonly samples: readonly Sample[];
  readonly struck: readonly Struck[];
  /** The roles' output, if something was wrong. */
  readonly output: string;
}

const HEAP = "live-heap.cjs";
const GENERATION_MS = 20_000;
/** Small: all that it sends is kept and judged. */
const JUDGED = { batches: 4, requests: 3 };
/** No fault begins in the last part. */
const QUIET_MS = 20_000;
const CLIENTS = { usage: 4, quota: 4, graph: 2 };
const AT_ONCE = { usage: 8, quota: 16, graph: 4 };
const WARM_UP_MS = 5_000;
/** Of a comparison with the ledger. */
const TRIES = 3;
const CAPACITY_SHARE = 0.5;
/** A log that fills its disk ends the broker for good. An event takes some 150 bytes of it in all topics. */
const DISK_MIB = 256;
const DISK_MIB_OF_A_MINUTE = 32;

/** Load, faults and samples for so many minutes; then everything is judged. */
export async function soak({ minutes, seed, print }: SoakOptions): Promise<Soaked> {
  refuseEndOfMonth(minutes);
  const startedAt = Date.now();
  // Before the product is built: it may have changed when the soak ends.
  const about = aboutNow();
  const random = randomOf(seed);
  const dir = await serverDir("soak");
  await copyFile(path.join(import.meta.dirname, HEAP), path.join(dir, HEAP));
  const world = await startMatrixWorld({
    roleFlags: () => `--require=${path.join(dir, HEAP)}`,
    env: { METRLY_LOG_LEVEL: "warn" },
    diskMiB: DISK_MIB + minutes * DISK_MIB_OF_A_MINUTE,
  });
  const receiver = await startReceiver();
  try {
    const { target } = world;
    const answers = countAnswers();
    const verdicts = createVerdicts(print);
    const key = await issueKey(target, "soak");
    const bulk = await startBulk(target, key, dice(randomOf(seed + 1)), answers);
    const capacity = await measure(bulk, answers, Math.min(60_000, Math.max(8_000, minutes * 5_000)));
    print(`capacity: ${capacity.events} events, ${capacity.decisions} decisions, ${capacity.reads} reads a second`);

    const sampler = startSampler(world, path.join(dir, "heaps"), answers);
    const running = { world, bulk, receiver, answers, key, dir, seed, random, print };
    const { struck, generations, fromMs, toMs } = await load(running, capacity, minutes);
    print("the load has ended; waiting until everything is at rest");
    await verdicts.check(7, "every role is ready without intervention", async () => {
      await allReady(world);
      return { cases: struck.length, violations: struck.length > 0 && struck.every(isMissed) ? ["no fault hit"] : [] };
    });
    await bulk.settled();
    await sampler.stop();
    await judgeAll({ world, bulk, generations, verdicts, print });
    const memory = judgeMemory(world, sampler, verdicts, fromMs, toMs);

    const violations = verdicts.violations();
    const result: SoakResult = {
      ...about,
      ...{ minutes, seed, cores: availableParallelism(), capacity },
      faults: { hit: struck.filter((one) => !isMissed(one)).length, missed: struck.filter(isMissed).length },
      events: bulk.acknowledged(),
      answers: totalOf(answers),
      webhooks: receiver.count(),
      histories: generations.length,
      checks: verdicts.checks.map((one) => ({ ...one, violations: one.violations.length })),
      violations,
      memory,
      lag: lagOf(sampler.samples),
      seconds: Math.round((Date.now() - startedAt) / 1_000),
    };
    const output = violations.length > 0 ? await world.output() : "";
    return { result, samples: sampler.samples, struck, output };
  } finally {
    await receiver.stop();
    await world.stop();
  }
}

const isMissed = ({ missed }: Struck): boolean => missed !== undefined;

/** The load sends usage of last month, and invoices are compared with what counted as that. */
function refuseEndOfMonth(minutes: number): void {
  const end = new Date(Date.now() + minutes * MINUTE_MS + 60 * MINUTE_MS);
  if (end.getUTCMonth() !== new Date().getUTCMonth()) throw new Error("a month (UTC) would end during the soak");
}

/** What the system does a second when no client waits, until all of it is accounted for. */
async function measure(bulk: Bulk, answers: Answers, ms: number): Promise<Rates> {
  const clients = [
    keepDoing(CLIENTS.usage, bulk.send),
    keepDoing(CLIENTS.quota, bulk.consume),
    keepDoing(CLIENTS.graph, bulk.read),
  ];
  // The first requests of a process compile its code.
  await wait(WARM_UP_MS);
  const startedAt = performance.now();
  const [events, decisions, reads] = counts();
  await wait(ms);
  await Promise.all(clients.map((client) => client.stop()));
  const seconds = (performance.now() - startedAt) / 1_000;
  await bulk.settled();
  const settledSeconds = (performance.now() - startedAt) / 1_000;
  const now = counts();
  return {
    events: Math.round((now[0] - events) / settledSeconds),
    decisions: Math.round((now[1] - decisions) / seconds),
    reads: Math.round((now[2] - reads) / seconds),
  };

  function counts(): readonly [number, number, number] {
    return [bulk.acknowledged(), answers.total("quota").ok, answers.total("graph").ok];
  }
}

interface Running {
  readonly world: MatrixWorld;
  readonly bulk: Bulk;
  readonly receiver: Receiver;
  readonly answers: Answers;
  readonly key: string;
  readonly dir: string;
  readonly seed: number;
  readonly random: () => number;
  print(line: string): void;
}

/** Half of what it can do, with a fault a minute. */
async function load(running: Running, capacity: Rates, minutes: number) {
  const { world, bulk, random, print } = running;
  const [fromMs, toMs] = [Date.now(), Date.now() + minutes * MINUTE_MS];
  const half = (rate: number, least: number) => Math.max(least, rate * CAPACITY_SHARE);
  const clients = [
    pace(half(capacity.events, BATCH) / BATCH, AT_ONCE.usage, bulk.send),
    pace(half(capacity.decisions, 1), AT_ONCE.quota, bulk.consume),
    pace(half(capacity.reads, 1), AT_ONCE.graph, bulk.read),
  ];
  const lives = liveInTurn(running, toMs);
  const struck = await faultEachMinute(world, {
    ...{ random, print, untilMs: toMs - QUIET_MS },
    begins: () => lives.fault(),
  });
  await wait(Math.max(0, toMs - Date.now()));
  await Promise.all(clients.map((client) => client.stop()));
  return { struck, generations: await lives.ended, fromMs, toMs: Date.now() };
}

/** One judged tenant after the other. */
function liveInTurn(running: Running, untilMs: number) {
  const { world, receiver, answers, key, dir, seed } = running;
  const generations: Generation[] = [];
  let current: Generation | undefined;
  let isFaulty = false;
  let over: () => void = () => undefined;
  async function run(): Promise<readonly Generation[]> {
    await mkdir(path.join(dir, "histories"), { recursive: true });
    while (Date.now() < untilMs) {
      const name = `judged-${generations.length}`;
      const options = { target: world.target, key, name, receiver, answers, dir: path.join(dir, "histories") };
      const generation = await startGeneration({ ...options, seed: seed + generations.length });
      generations.push(generation);
      current = generation;
      if (isFaulty) over = generation.fault();
      const clients = [
        pace(JUDGED.batches, AT_ONCE.usage, generation.send),
        pace(JUDGED.requests, AT_ONCE.usage, generation.consume),
      ];
      await wait(GENERATION_MS);
      await Promise.all(clients.map((client) => client.stop()));
      await generation.retire();
    }
    return generations;
  }
  const ended = run();
  // It is awaited at the end.
  ended.catch(() => undefined);
  return {
    ended,
    fault() {
      isFaulty = true;
      over = current?.fault() ?? over;
      return () => {
        isFaulty = false;
        over();
      };
    },
  };
}

interface Judging {
  readonly world: MatrixWorld;
  readonly bulk: Bulk;
  readonly generations: readonly Generation[];
  readonly verdicts: Verdicts;
  print(line: string): void;
}

async function judgeAll({ world, bulk, generations, verdicts, print }: Judging): Promise<void> {
  await verdicts.check(1, "acknowledged = accounted, of the large load", bulk.judgeAccounting);
  await verdicts.check(2, "totals of five aggregations, of the large load", bulk.judgeTotals);
  await verdicts.check(3, "invoices, of the large load", bulk.judgeInvoices);
  await verdicts.check(4, "admitted by hard limits, of the large load", bulk.judgeLimits);
  await judgeHistories(generations, verdicts, print);
  for (const [what, role, ...args] of [
    ["billing's derived data, rebuilt", "billing", "rebuild", "--check"],
    ["quota's usage, compared with the ledger", "quota", "quotas", "reconcile"],
  ] as const)
    await verdicts.check(2, what, () => judgeDerived(world, role, args));
}

/** Which promise a rule of the judge belongs to. */
const RULES: readonly (readonly [RegExp, number, string])[] = [
  [/^(answer to events|accounting|accounting of events)$/, 1, "answers and accounting, judged"],
  [/^(total|span of a total)$/, 2, "totals, judged"],
  [/limit|denial|^(reserved|used|same key|release|remainder in a decision)/, 4, "decisions and quotas, judged"],
  [/alert|deliver|announcement/, 5, "alerts and webhooks, judged"],
  [/^/, 3, "plans, periods and invoices, judged"],
];

async function judgeHistories(
  generations: readonly Generation[],
  verdicts: Verdicts,
  print: (line: string) => void,
): Promise<void> {
  const found = RULES.map(() => ({ cases: 0, violations: [] as string[] }));
  const of = (rule: string) => found[RULES.findIndex(([pattern]) => pattern.test(rule))];
  for (const generation of generations) {
    try {
      const { verdict, lines } = await generation.judge();
      if (verdict === undefined || verdict.malformed !== undefined)
        throw new Error(verdict?.malformed ?? "the judge said nothing");
      for (const [rule, cases] of Object.entries(verdict.checked)) (of(rule) ?? { cases: 0 }).cases += cases;
      for (const violation of verdict.violations) {
        const one = { ...verdict, violations: [violation] };
        of(violation.rule)?.violations.push(`${generation.name}: ${explain(one, lines)}`);
      }
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      verdicts.add({
        promise: 7,
        what: "judged tenants come to rest",
        cases: 1,
        violations: [`${generation.name}: ${said}`],
      });
    }
  }
  print(`judged ${generations.length} histories`);
  for (const [n, [, promise, what]] of RULES.entries())
    verdicts.add({ promise, what, ...(found[n] ?? { cases: 0, violations: [] }) });
  if (found.some(({ cases }) => cases === 0))
    verdicts.add({ promise: 7, what: "something to judge", cases: 1, violations: ["a rule judged nothing"] });
}

async function judgeDerived({ compose, target }: MatrixWorld, role: string, args: readonly string[]) {
  const { METRLY_PORT = "", METRLY_INTERNAL_SECRET_FILE = "" } = compose.processes.get(role)?.env ?? {};
  const metrly = { url: target.url, dataDir: compose.gatewayDir };
  const where = ["--url", `http://127.0.0.1:${METRLY_PORT}`];
  // A difference stays; that a busy machine takes too long does not.
  for (let tries = 1; ; tries += 1) {
    const { code, out, err } = await runCli(metrly, [...args, ...where], { METRLY_INTERNAL_SECRET_FILE });
    if (code === 0) return { cases: 1, violations: [] };
    if (tries === TRIES) return { cases: 1, violations: [`${args.join(" ")} ended with ${code}: ${out}${err}`] };
  }
}

function judgeMemory(
  { compose }: MatrixWorld,
  sampler: Sampler,
  verdicts: Verdicts,
  fromMs: number,
  toMs: number,
): readonly Growth[] {
  const memory = [...compose.processes.keys()].map((role) => growthOf(role, sampler.heaps(role), fromMs, toMs));
  const violations = memory
    .filter(({ isTooMuch }) => isTooMuch)
    .map(
      ({ role, growthMiB, allowedMiB }) => `${role} grew by ${growthMiB?.toFixed(1)} MiB, allowed are ${allowedMiB}`,
    );
  const judged = memory.filter(({ growthMiB }) => growthMiB !== undefined).length;
  verdicts.add({ promise: 7, what: "memory does not grow", cases: judged, violations });
  return memory;
}

function totalOf(answers: Answers): SoakResult["answers"] {
  const of = (answer: "ok" | "refused" | "failed") => KINDS.reduce((sum, kind) => sum + answers.total(kind)[answer], 0);
  return { ok: of("ok"), refused: of("refused"), failed: of("failed") };
}

function lagOf(samples: readonly Sample[]): SoakResult["lag"] {
  const lags = samples.flatMap(({ lag }) => lag ?? []);
  const spread = (values: readonly number[]): Spread => ({
    median: Math.round(median(values) * 10) / 10,
    most: Math.round(Math.max(0, ...values) * 10) / 10,
  });
  return {
    logToLedgerSeconds: spread(lags.map(({ logToLedgerSeconds }) => logToLedgerSeconds)),
    ledgerToTotals: spread(lags.map(({ ledgerToTotals }) => ledgerToTotals)),
  };
}
