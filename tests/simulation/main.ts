import { parseArgs } from "node:util";
import { minimise } from "./engine/minimise.js";
import type { Deviation } from "./engine/scheduler.js";
import { FLAWS, type Flaw } from "./flaws.js";
import { openRunner } from "./run-seed.js";
import type { Outcome } from "./simulation.js";

/** `npm run simulate`: runs seeds one after the other, until one fails. */

const USAGE = `npm run simulate -- [--seed N] [--seeds N | --endless] [--minutes N] [--steps N] [--events N] [--instances N] [--no-quota]
    [--no-notification] [--no-tenancy] [--no-usage] [--no-backfill] [--no-lanes] [--no-money] [--no-credits] [--commands N] [--tries N] [--trace]
  --seed N    the first seed (1)
  --seeds N   how many seeds (1); --endless: until one fails
  --minutes N no seed begins after that
  --steps N   steps with faults; then the system has to come to rest (1500)
  --events N  what each tenant sends (12)
  --instances N  of each role (2)
  --commands N  what each operator asks of tenancy (6)
  --no-quota, --no-notification, --no-tenancy  a shorter run, without that; --no-usage: tenancy alone
  --no-backfill  no meter is created during the run
  --no-lanes, --no-money, --no-credits  no limits by dimension, none in money, no prepaid credits
  --tries N   how many runs to spend on a smaller trace of a failure (150)
  --faults F  how often a step is a fault, 0 to 1 (the seed decides)
  --flaw NAME with a bug: ${Object.keys(FLAWS).join(", ")}
  --trace     print the whole trace`;

/** How much later than the first run a smaller one may fail. */
const STEPS_LATER = 300;

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a number of something: ${text}\n${USAGE}`);
  return value;
};

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" },
    endless: { type: "boolean", default: false },
    minutes: { type: "string" },
    steps: { type: "string", default: "1500" },
    events: { type: "string", default: "12" },
    instances: { type: "string", default: "2" },
    "no-quota": { type: "boolean", default: false },
    "no-notification": { type: "boolean", default: false },
    "no-tenancy": { type: "boolean", default: false },
    "no-usage": { type: "boolean", default: false },
    "no-backfill": { type: "boolean", default: false },
    "no-lanes": { type: "boolean", default: false },
    "no-money": { type: "boolean", default: false },
    "no-credits": { type: "boolean", default: false },
    commands: { type: "string", default: "6" },
    faults: { type: "string" },
    flaw: { type: "string" },
    tries: { type: "string", default: "150" },
    trace: { type: "boolean", default: false },
  },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const [first, steps, tries] = [count(values.seed), count(values.steps), count(values.tries)];
const flaw = Object.entries<Flaw>(FLAWS).find(([name]) => name === values.flaw)?.[1];
if (values.flaw !== undefined && flaw === undefined) throw new RangeError(USAGE);
const common = {
  steps,
  events: count(values.events),
  instances: count(values.instances),
  withoutQuota: values["no-quota"],
  withoutNotification: values["no-notification"],
  withoutTenancy: values["no-tenancy"],
  withoutUsage: values["no-usage"],
  withoutBackfill: values["no-backfill"],
  withLanes: !values["no-lanes"],
  withMoney: !values["no-money"],
  withCredits: !values["no-credits"],
  commands: count(values.commands),
  ...(flaw !== undefined && { flaw }),
  ...(values.faults !== undefined && { faultRate: Number(values.faults) }),
};
const until = values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes) * 60_000;
if (!(until > 0)) throw new RangeError(USAGE);
const last = values.endless ? Number.POSITIVE_INFINITY : first + count(values.seeds) - 1;

const runner = await openRunner();
for (let seed = first; seed <= last && process.exitCode === undefined; seed += 1) {
  if (seed > first && performance.now() > until) break;
  const startedAt = performance.now();
  const outcome = await runner.run({ seed, ...common });
  const seconds = (performance.now() - startedAt) / 1000;
  if (values.trace) print(outcome.trace.join("\n"));
  print(
    `seed ${seed}: ${outcome.violations.length === 0 ? "right" : "WRONG"}, trace ${outcome.hash}, ${outcome.steps} steps ` +
      `(${Math.round(outcome.steps / seconds)} a second), ${Math.round(outcome.simulatedMs / 1000)} simulated seconds`,
  );
  if (outcome.violations.length > 0) await explain(outcome);
}
await runner.stop();
// The driver may keep timers.
process.exit();

/** Prints what is wrong, and the shortest way there that a bounded search finds. */
async function explain(outcome: Outcome): Promise<void> {
  process.exitCode = 1;
  const { seed, violations } = outcome;
  for (const violation of violations.slice(0, 10)) print(`  ${violation}`);
  let smallest = outcome;
  await minimise(
    outcome.deviations,
    async (kept: readonly Deviation[]) => {
      const run = await runner.run({
        seed,
        ...common,
        replay: kept,
        isPart: true,
        lastStep: outcome.steps + STEPS_LATER,
      });
      if (run.violations.length > 0) smallest = run;
      return run.violations.length > 0;
    },
    tries,
  );
  print(
    `  at step ${smallest.steps}, by ${smallest.deviations.length} of ${outcome.deviations.length} unusual choices:`,
  );
  for (const { step, key } of smallest.deviations) print(`    ${step} ${key}`);
  for (const violation of smallest.violations.slice(0, 3)) print(`  -> ${violation}`);
  print("  its last steps:");
  for (const line of smallest.trace.slice(-60)) print(`    ${line}`);
  const faults = values.faults === undefined ? "" : ` --faults ${values.faults}`;
  const withFlaw = values.flaw === undefined ? "" : ` --flaw ${values.flaw}`;
  const left = (
    [
      "no-quota",
      "no-notification",
      "no-tenancy",
      "no-usage",
      "no-backfill",
      "no-lanes",
      "no-money",
      "no-credits",
    ] as const
  ).map((name) => (values[name] ? ` --${name}` : ""));
  const size = `--steps ${steps} --events ${common.events} --commands ${common.commands} --instances ${common.instances}${left.join("")}`;
  print(`  again: npm run simulate -- --seed ${seed} ${size}${faults}${withFlaw}`);
}
