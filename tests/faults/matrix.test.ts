import { mkdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, test } from "vitest";
import { canMount } from "../chaos/small-disk.js";
import { hasKafka, hasNginx, hasPostgres, hasRedis } from "../servers/servers.js";
import { isLong, testSeed } from "../support/effort.js";
import { randomOf, shuffled } from "../support/random.js";
import { runCell, titleOf } from "./cell.js";
import { HitNothing } from "./inject.js";
import { cells } from "./matrix.js";
import { type About, aboutSources, countRuns, record } from "./results.js";
import { type MatrixWorld, startMatrixWorld } from "./world.js";

/** Set by `npm run faults` and, to take some of all cells, by `npm run test:chaos` and `npm run prove`. */
const { METRLY_FAULTS_COMPONENT, METRLY_FAULTS_FAULT, METRLY_FAULTS_TIMES, METRLY_FAULTS_TAKE, METRLY_FAULTS_MISSING } =
  process.env;
const can = hasKafka && hasRedis && hasPostgres && hasNginx;
/** A sample is there to find something: its results are not kept. */
const isSample = METRLY_FAULTS_TIMES === undefined;
const canFillDisk = await canMount();

describe.skipIf(!can)("the fault matrix", () => {
  let world: MatrixWorld;
  let about: About;

  beforeAll(async () => {
    about = aboutSources();
    world = await startMatrixWorld();
  });
  afterAll(() => world?.stop());

  const seed = testSeed();
  const random = randomOf(seed);
  const all = cells(METRLY_FAULTS_COMPONENT, METRLY_FAULTS_FAULT).filter(
    ({ fault }) => !isSample || fault !== "disk-full" || canFillDisk,
  );
  const rounds = Array.from({ length: Number(METRLY_FAULTS_TIMES ?? 1) }, (_, n) => seed + n);
  const chosen = rounds
    .flatMap((round, n) => shuffled(all, random).map((cell) => ({ cell, round, n })))
    .filter(({ cell, n }) => METRLY_FAULTS_MISSING === undefined || countRuns(cell) <= n)
    .slice(0, Number(METRLY_FAULTS_TAKE ?? Number.POSITIVE_INFINITY));
  for (const [n, { cell, round }] of chosen.entries()) {
    const { component, fault } = cell;
    test(titleOf(cell, round), async ({ onTestFailed, skip }) => {
      onTestFailed(async () => {
        console.error(
          `to repeat: npm run faults -- --component ${component} --fault ${fault} --times 1 --seed ${round}${isLong ? " --long" : ""}`,
        );
        await keepLogs(world, `${component}-${fault}-${round}`);
      });
      const run = () => runCell(world, cell, round, `f${n}`);
      if (!isSample) return record(cell, round, about, run);
      // A busy machine may take too long for the work that the fault waits for: then it tried nothing.
      return run().catch((error: unknown) => {
        if (error instanceof HitNothing) skip(error.message);
        throw error;
      });
    });
  }
});

async function keepLogs(world: MatrixWorld, name: string): Promise<void> {
  await mkdir(".cache/faults", { recursive: true });
  await writeFile(`.cache/faults/${name}.log`, await world.output());
  console.error(`the roles' logs: .cache/faults/${name}.log`);
}
