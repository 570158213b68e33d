import { readFileSync } from "node:fs";
import path from "node:path";
import { type Bug, ownTestOf } from "./bugs/bug.js";

/** One thing that may catch a bug: a few test files in one call of vitest, or seeds of the simulation. */
export type Try = { readonly kind: "tests"; readonly files: readonly string[] } | { readonly kind: "simulation" };

/** Of a file that is not listed in seconds.json. */
const USUAL_SECONDS = 2;
/** Listed seconds of the files of one call, so that the first catcher ends the search soon. */
const SECONDS_PER_CALL = 20;
const SIMULATION = "tests/simulation/main.ts";
/** Whole systems: they also test what they start as programs, and import none of it. */
const STORIES = ["tests/systems/whole-path/", "tests/chaos/"];
/** Not about the product's behaviour: texts, screens, copies of the checkout; or the simulation, which has its turn. */
const NOT_TRIED = /^(scripts\/|bench\/|tests\/(systems\/(?!whole-path\/)|(simulation|mutants|containers|runner)\/))/;
const isTest = (file: string): boolean => file.endsWith(".test.ts") && !NOT_TRIED.test(file);

/** What would catch a bug without the test that was written for it, cheapest first. */
export function triesOf(bug: Bug, importersOf: (file: string) => ReadonlySet<string>, all: readonly string[]): Try[] {
  const changed = [...new Set(bug.edits.map(({ file }) => file))];
  const importing = new Set(changed.flatMap((file) => [...importersOf(file)]));
  const rooms = changed.map(roomOf);
  const isOfRoom = (file: string): boolean => rooms.some((room) => file.startsWith(`${room}/`));
  const isBeside = (file: string): boolean => changed.some((one) => path.dirname(one) === path.dirname(file));
  const isStory = (file: string): boolean => STORIES.some((folder) => file.startsWith(folder));
  const tests = all.filter((file) => isTest(file) && file !== ownTestOf(bug));
  const stages: readonly ((file: string) => boolean)[] = [
    (file) => importing.has(file) && isBeside(file),
    (file) => importing.has(file) && isOfRoom(file),
  ];
  const later: readonly ((file: string) => boolean)[] = [
    (file) => isOfRoom(file),
    (file) => importing.has(file) && !isStory(file),
    isStory,
  ];
  const taken = new Set<string>();
  const calls = (stage: (file: string) => boolean): Try[] => {
    const files = tests.filter((file) => !taken.has(file) && stage(file));
    for (const file of files) taken.add(file);
    return grouped(files);
  };
  const simulation: Try[] = importing.has(SIMULATION) ? [{ kind: "simulation" }] : [];
  return [...stages.flatMap(calls), ...simulation, ...later.flatMap(calls)];
}

/** A service, or a folder of platform. */
function roomOf(file: string): string {
  const [first = "", second = ""] = file.split("/");
  return ["workers", "platform"].includes(first) ? `${first}/${second}` : first;
}

function grouped(files: readonly string[]): Try[] {
  const known: Readonly<Record<string, number>> = JSON.parse(
    readFileSync(new URL("../runner/seconds.json", import.meta.url), "utf8"),
  );
  const secondsOf = (file: string): number => known[file] ?? USUAL_SECONDS;
  const calls: { files: string[]; seconds: number }[] = [];
  for (const file of [...files].sort((a, b) => secondsOf(a) - secondsOf(b))) {
    const last = calls.at(-1);
    if (last === undefined || last.seconds + secondsOf(file) > SECONDS_PER_CALL)
      calls.push({ files: [file], seconds: secondsOf(file) });
    else {
      last.files.push(file);
      last.seconds += secondsOf(file);
    }
  }
  return calls.map(({ files: some }) => ({ kind: "tests", files: some }));
}
