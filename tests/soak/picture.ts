import type { Struck } from "./faults.js";
import { type Sample, SERVERS } from "./samples.js";

export interface Picture {
  readonly title: string;
  readonly samples: readonly Sample[];
  readonly faults: readonly Struck[];
}

interface Line {
  readonly name: string;
  /** Undefined where nothing was measured. */
  readonly values: readonly (number | undefined)[];
}

const [WIDTH, LEFT, RIGHT, TOP, PANEL, GAP] = [1_100, 70, 170, 50, 150, 46];
/** More points than this cannot be seen. */
const POINTS = 600;
/** Distinguishable also by people who see few colours (Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const PLOT = WIDTH - LEFT - RIGHT;

/** An SVG: memory by role and server, lag, and answers over time, with the faults as bands. */
export function drawSoak({ title, samples, faults }: Picture): string {
  const kept = thinned(samples);
  const [firstMs = 0, lastMs = 1] = [samples[0]?.atMs, samples.at(-1)?.atMs];
  const x = (atMs: number) => round(LEFT + (PLOT * (atMs - firstMs)) / Math.max(1, lastMs - firstMs));
  const isServer = (name: string) => SERVERS.some((server) => server === name);
  const names = Object.keys(samples[0]?.memoryMiB ?? {});
  const memory = (name: string): Line => ({
    name,
    // It is down: no memory is no small memory.
    values: kept.map(({ memoryMiB }) => memoryMiB[name] || undefined),
  });
  const perSecond = (of: "ok" | "refused" | "failed"): Line => ({
    name: of,
    values: kept.map(({ answers }) => answers[of]),
  });
  const panels: readonly (readonly [string, readonly Line[]])[] = [
    ["memory of roles, MiB", names.filter((name) => !isServer(name)).map(memory)],
    ["memory of servers, MiB", names.filter(isServer).map(memory)],
    ["log to ledger, seconds", [{ name: "lag", values: kept.map(({ lag }) => lag?.logToLedgerSeconds) }]],
    [
      "ledger to totals, entries",
      [
        { name: "billing", values: kept.map(({ lag }) => lag?.ledgerToTotals) },
        { name: "quota", values: kept.map(({ lag }) => lag?.ledgerToQuota) },
      ],
    ],
    ["answers a second", [perSecond("ok"), perSecond("refused"), perSecond("failed")]],
  ];
  const height = TOP + panels.length * (PANEL + GAP) + 20;
  const bottom = height - GAP - 20;
  const bands = faults.map(({ name, fromMs, toMs, missed }, n) => {
    const width = Math.max(1, x(toMs) - x(fromMs));
    const said = `${n + 1}: ${name}${missed === undefined ? "" : " (hit nothing)"}`;
    const band = `<rect x="${x(fromMs)}" y="${TOP}" width="${round(width)}" height="${bottom - TOP}" class="fault"><title>${escaped(said)}</title></rect>`;
    return `${band}<text x="${x(fromMs)}" y="${TOP - 4}" class="small" transform="rotate(-60 ${x(fromMs)} ${TOP - 4})">${escaped(faults.length > 20 ? String(n + 1) : said)}</text>`;
  });
  const drawn = panels.map(([name, lines], n) =>
    panel(
      name,
      lines,
      TOP + n * (PANEL + GAP),
      kept.map(({ atMs }) => x(atMs)),
    ),
  );
  const minutes = Math.max(1, Math.round((lastMs - firstMs) / 60_000));
  const step = Math.max(1, Math.ceil(minutes / 12));
  const ticks = Array.from({ length: Math.floor(minutes / step) + 1 }, (_, n) => n * step).map(
    (minute) => `<text x="${x(firstMs + minute * 60_000)}" y="${bottom + 16}" class="small">${minute} min</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${escaped(title)}</title>
<style>
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .small { font-size: 10px; fill: #57606a; }
  .axis { stroke: #d0d7de; }
  .line { fill: none; stroke-width: 1.3; }
  .fault { fill: #cf222e; opacity: 0.12; }
</style>
<rect width="100%" height="100%" fill="#ffffff"/>
${[...bands, ...drawn, ...ticks].join("\n")}
</svg>
`;
}

function panel(name: string, lines: readonly Line[], top: number, xs: readonly number[]): string {
  const most = Math.max(1, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const y = (value: number) => round(top + PANEL - (PANEL * value) / most);
  const grid = [0, 0.5, 1].map(
    (share) =>
      `<line x1="${LEFT}" x2="${LEFT + PLOT}" y1="${y(share * most)}" y2="${y(share * most)}" class="axis"/>` +
      `<text x="${LEFT - 6}" y="${y(share * most) + 4}" text-anchor="end" class="small">${label(share * most)}</text>`,
  );
  const drawn = lines.map(({ name: line, values }, n) => {
    const colour = COLOURS[n % COLOURS.length];
    const text = `<text x="${LEFT + PLOT + 10}" y="${top + 12 + n * 15}" style="fill:${colour}">${escaped(line)}</text>`;
    return `<path d="${pathOf(values, xs, y)}" class="line" stroke="${colour}"/>${text}`;
  });
  return [`<text x="${LEFT}" y="${top - 6}">${escaped(name)}</text>`, ...grid, ...drawn].join("");
}

/** With a gap where nothing was measured. */
function pathOf(values: readonly (number | undefined)[], xs: readonly number[], y: (value: number) => number): string {
  let isDown = false;
  return values
    .map((value, n) => {
      const command = value === undefined ? "" : `${isDown ? "L" : "M"}${xs[n]} ${y(value)}`;
      isDown = value !== undefined;
      return command;
    })
    .join("");
}

/** Of neighbours the one with the most lag, so that no peak is lost. */
function thinned(samples: readonly Sample[]): readonly Sample[] {
  const size = Math.ceil(samples.length / POINTS);
  if (size <= 1) return samples;
  const behind = ({ lag, answers }: Sample) => (lag?.ledgerToTotals ?? Number.POSITIVE_INFINITY) + answers.failed;
  return Array.from({ length: Math.ceil(samples.length / size) }, (_, n) =>
    samples.slice(n * size, (n + 1) * size).reduce((most, one) => (behind(one) > behind(most) ? one : most)),
  );
}

const round = (value: number): number => Math.round(value * 10) / 10;
const label = (value: number): string => (value >= 10 ? String(Math.round(value)) : String(round(value)));
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
