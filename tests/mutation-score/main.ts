import { availableParallelism } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "#platform/process/package-root.js";
import { aboutSources } from "../faults/results.js";
import { JUDGED } from "./judged.js";
import { type Mutant, mutantsOf } from "./report.js";
import { readResults, writeResults } from "./results.js";
import { scoredRooms } from "./rooms.js";
import { judge, percentOf } from "./score.js";
import { testMutants } from "./tester.js";

/** `npm run mutants:score`: how many small changes of the pure code its tests notice. */

const USAGE = `npm run mutants:score -- [ROOM...] [--files NAME] [--jobs N] [--fresh]
  ROOM          only rooms whose folder contains one of these, e.g. billing
  --files NAME  only files whose names begin so
  --jobs N      how many mutants at once (as many as there are cores)
  --fresh       forget the results of earlier runs`;
/** Percent of its mutants that each room's tests must kill. */
const WANTED = 90;

const { values, positionals } = parseArgs({
  options: {
    jobs: { type: "string", default: String(availableParallelism()) },
    files: { type: "string", default: "" },
    fresh: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const jobs = Number(values.jobs);
const root = packageRoot();
// Of the sources that are copied for the tester: when it ends, there may be others here.
const { commit } = aboutSources();
const rooms = (await scoredRooms(root)).filter(
  (room) => positionals.length === 0 || positionals.some((filter) => room.includes(filter)),
);
if (rooms.length === 0 || !(jobs >= 1)) throw new RangeError(USAGE);

for (const room of rooms) {
  const mutants = mutantsOf(await testMutants(room, { jobs, files: values.files, fresh: values.fresh }));
  const { score, holes, stale } = judge(mutants, JUDGED);
  for (const { file, lineNumber, line, change, isUnknown } of holes)
    console.log(`${isUnknown ? "NOT ENDED" : "SURVIVED"} ${file}:${lineNumber}\n  ${line}\n  ${change}`);
  for (const { file, line, change } of stale)
    console.error(`NO SURVIVOR ANY MORE, take it from the list of judged ones: ${file}: ${line}\n  ${change}`);
  console.log(
    `${room}: ${percentOf(score)} % of ${score.mutants} mutants killed, ${holes.length} survivors not judged`,
  );
  await store(room, mutants);
  if (Number(percentOf(score)) < WANTED || stale.length > 0) process.exitCode = 1;
}

/** Each file by itself, so that some of a room can be scored again; files that are gone go with a whole room. */
async function store(room: string, mutants: readonly Mutant[]): Promise<void> {
  const date = new Date().toISOString().slice(0, 10);
  const scored = [...new Set(mutants.map(({ file }) => file))].map((file) => {
    const ofFile = mutants.filter((one) => one.file === file);
    return [file, { ...judge(ofFile, JUDGED).score, commit, date }] as const;
  });
  const isReplaced = (file: string) => values.files === "" && path.dirname(file) === room;
  const kept = Object.entries(await readResults()).filter(([file]) => !isReplaced(file));
  await writeResults(Object.fromEntries([...kept, ...scored]));
}
