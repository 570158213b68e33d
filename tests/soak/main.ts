import { randomInt } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { createRunDir, sweep, sweepDeadRuns } from "../runner/run-dir.js";
import { RUN_DIR_VARIABLE } from "../servers/run-dir.js";
import { hasProgram } from "../support/programs.js";
import { drawSoak } from "./picture.js";
import { LAST, PICTURE, sectionOf, storeSoak } from "./results.js";
import { soak } from "./soak.js";

/** `npm run soak`: see README.md. */
const USAGE = "npm run soak -- [--minutes 60] [--seed N]";
/** A shorter run proves too little to be stored. */
const STORED_MINUTES = 10;

const { values } = parseArgs({ options: { minutes: { type: "string" }, seed: { type: "string" } } });
const minutes = Number(values.minutes ?? 60);
const seed = Number(values.seed ?? randomInt(1, 2 ** 31));
// Events are of a fixed time, and may be 35 days old.
if (!(minutes > 0 && minutes <= 1_200) || !Number.isSafeInteger(seed)) throw new RangeError(USAGE);
if (!hasProgram("python3")) throw new Error("the judge needs Python 3");

const print = (line: string): void => void process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => void end().then(() => process.exit(130)));

await sweepDeadRuns();
const runDir = await createRunDir({ small: false });
process.env[RUN_DIR_VARIABLE] = runDir;
const end = (): Promise<void> => sweep(runDir);
print(`soak for ${minutes} minutes, seed ${seed}`);
try {
  const { result, samples, struck, output } = await soak({ minutes, seed, print });
  const title = `A soak of ${minutes} minutes, ${result.date}, ${result.commit}`;
  const picture = drawSoak({ title, samples, faults: struck });
  await mkdir(LAST, { recursive: true });
  await writeFile(path.join(LAST, "soak.svg"), picture);
  await writeFile(path.join(LAST, "result.json"), JSON.stringify(result, null, 2));
  if (output !== "") await writeFile(path.join(LAST, "roles.log"), output);
  if (minutes >= STORED_MINUTES) {
    await writeFile(PICTURE, picture);
    storeSoak(result);
  }
  print(`\n${sectionOf(result)}\n`);
  print(`${result.violations.length} violations; the picture and all figures are in .cache/soak`);
  if (result.violations.length > 0)
    console.error(`FAILED, to repeat: npm run soak -- --minutes ${minutes} --seed ${seed}`);
  process.exitCode = result.violations.length > 0 ? 1 : 0;
} catch (error) {
  console.error(error, `\nto repeat: npm run soak -- --minutes ${minutes} --seed ${seed}`);
  process.exitCode = 1;
} finally {
  await end();
}
process.exit();
