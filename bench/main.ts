import "./support/full-speed.js";
import { parseArgs } from "node:util";
import { COUNTED } from "./counted/figure.js";
import { DECISIONS } from "./decisions/figure.js";
import { GATEWAY } from "./gateway/figure.js";
import type { Figure } from "./suite/figure.js";
import { circumstances } from "./suite/machine.js";
import { writePage } from "./suite/page.js";
import { PROGRAMS, type Program, runProgram } from "./suite/program.js";
import { readResults, writeResults } from "./suite/results.js";
import { compare } from "./suite/rounds.js";
import { buildMeasured } from "./support/processes.js";
import { TOTALS } from "./totals/figure.js";

/** `npm run bench`: the comparisons with peers and Metrly's own benchmarks, one after the other. */

const FIGURES: readonly Figure[] = [COUNTED, DECISIONS, GATEWAY, TOTALS];
const MINUTES = 25;
const namesOf = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name).join(", ");
const USAGE = `npm run bench -- [NAME...] [--minutes N] [--rounds N]
  NAME         only these. Comparisons: ${namesOf(FIGURES)};
               Metrly's own: ${namesOf(PROGRAMS.filter(({ isLong }) => !isLong))};
               and, only by name: ${namesOf(PROGRAMS.filter(({ isLong }) => isLong))}
  --minutes N  as if everything had so much time (${MINUTES}): measurements get shorter, and rounds fewer if they must
  --rounds N   rounds of each comparison (5)
  --page       only writes the page again, from the stored results`;

const { values, positionals } = parseArgs({
  options: {
    minutes: { type: "string", default: String(MINUTES) },
    rounds: { type: "string", default: "5" },
    page: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const [scale, rounds] = [Number(values.minutes) / MINUTES, Number(values.rounds)];
const known = [...FIGURES, ...PROGRAMS].map(({ name }) => name);
if (positionals.some((name) => !known.includes(name)) || !(scale > 0) || !(rounds >= 1)) throw new RangeError(USAGE);
const isAsked = (name: string, isLong = false) => (positionals.length === 0 ? !isLong : positionals.includes(name));

const measured = circumstances();
if (values.page) await writePage(await readResults());
else await measureAll();

async function measureAll(): Promise<void> {
  await buildMeasured();
  for (const figure of FIGURES.filter(({ name }) => isAsked(name))) {
    try {
      await measureFigure(figure);
    } catch (error) {
      // The others are worth their time; its last result stays.
      console.error(`\nNOT MEASURED: ${figure.title}:`, error);
      process.exitCode = 1;
    }
  }
  for (const program of PROGRAMS.filter(({ name, isLong }) => isAsked(name, isLong))) await measureProgram(program);
}

/** Its result is stored at once: a later failure takes nothing away. */
async function measureFigure(figure: Figure): Promise<void> {
  const { name, title, text, columns, base } = figure;
  const seconds = figure.seconds * Math.min(1, scale);
  console.log(`\n${title}`);
  const budgetMs = figure.minutes * 60_000 * scale;
  const found = await compare(figure, { rounds, seconds, scale: Math.min(1, scale), budgetMs });
  const results = await readResults();
  const result = { title, text, columns, base, seconds, ...found, measured };
  await writeResults({ ...results, figures: { ...results.figures, [name]: result } });
  await writePage(await readResults());
}

async function measureProgram(program: Program): Promise<void> {
  const { name, text, file, args } = program;
  console.log(`\n${text}`);
  const lines = await runProgram(program);
  if (lines === undefined) {
    process.exitCode = 1;
    return;
  }
  const results = await readResults();
  const result = { text, command: ["node --import tsx", `bench/${file}`, ...args].join(" "), lines, measured };
  await writeResults({ ...results, programs: { ...results.programs, [name]: result } });
  await writePage(await readResults());
}
