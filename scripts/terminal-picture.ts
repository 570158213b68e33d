/** A command as typed, and the lines that it printed. */
export interface Session {
  readonly command: string;
  readonly lines: readonly string[];
}

const COLUMN = 8.4;
const ROW = 20;
const MARGIN = 20;
const PROMPT = "$ ";

/** An SVG of a terminal: real text, so that it can be selected, searched and compared. */
export function drawTerminal(sessions: readonly Session[], columns: number, title: string): string {
  const rows = sessions.flatMap(({ command, lines }, at) => [
    ...(at > 0 ? [""] : []),
    `${PROMPT}${command}`,
    ...lines.map((line) => line.trimEnd()),
  ]);
  const [width, height] = [Math.ceil(columns * COLUMN + 2 * MARGIN), rows.length * ROW + 2 * MARGIN];
  const texts = rows.flatMap((row, at) => (row === "" ? [] : [textOf(row, MARGIN + (at + 0.7) * ROW)]));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<style>
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #c9d1d9; white-space: pre; }
  .typed { fill: #ffffff; font-weight: 600; }
  .names { fill: #8b949e; }
  .bars { fill: #58a6ff; }
</style>
<rect width="100%" height="100%" rx="8" fill="#161b22"/>
${texts.join("\n")}
</svg>
`;
}

/** The width of each line is given, so that columns stay aligned in any font. */
function textOf(row: string, y: number): string {
  const kind = row.startsWith(PROMPT) ? ' class="typed"' : /^[A-Z][A-Z ()]+$/.test(row) ? ' class="names"' : "";
  const text = escaped(row).replace(BARS, '<tspan class="bars">$&</tspan>');
  const width = Math.round(row.length * COLUMN * 10) / 10;
  return `<text x="${MARGIN}" y="${y}" textLength="${width}" xml:space="preserve"${kind}>${text}</text>`;
}

const BARS = /[▁▂▃▄▅▆▇█░]+/g;
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const plain = (text: string): string => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** The sessions of a picture that `drawTerminal` drew. */
export function sessionsOf(svg: string): Session[] {
  const rows = [...svg.matchAll(/<text [^>]*>(.*?)<\/text>/g)].map(([, row = ""]) =>
    plain(row.replaceAll(/<\/?tspan[^>]*>/g, "")),
  );
  const sessions: { command: string; lines: string[] }[] = [];
  for (const row of rows)
    if (row.startsWith(PROMPT)) sessions.push({ command: row.slice(PROMPT.length), lines: [] });
    else sessions.at(-1)?.lines.push(row);
  return sessions;
}

/** What stays the same while numbers, times, bars and states change. Two outputs of a command differ if these differ. */
export const structureOf = (lines: readonly string[]): string[] =>
  lines
    .map((line) =>
      line
        .replace(BARS, "")
        .replace(/\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b/g, "Mon")
        .replace(/\b(?:OK|WARNING|REACHED|EXCEEDED)\b/g, "STATE")
        .replace(/\b[0-9a-f]{64}\b/g, "sha256")
        .replace(/\b(?:\d+ Mon \d\d:\d\d|\d+ Mon \d{4})\b/g, "time")
        .replace(/\d[\d.,:]*/g, "0")
        .replace(/\s+/g, " ")
        .trim(),
    )
    .filter((line) => line !== "");
