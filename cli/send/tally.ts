export interface Tally {
  readonly accepted: number;
  /** Known to the edge already; the ledger is authoritative (`accounting`). */
  readonly duplicates: number;
  readonly rejected: number;
  readonly reasons: readonly { readonly line: number; readonly reason: string }[];
  /** Events taken, by their type, that no meter counts: they are recorded and not billed. */
  readonly unmetered: readonly { readonly type: string; readonly count: number }[];
}

export const EMPTY_TALLY: Tally = { accepted: 0, duplicates: 0, rejected: 0, reasons: [], unmetered: [] };
const SHOWN_REASONS = 10;
/** Further types are counted as one. */
const SHOWN_TYPES = 20;
const OTHER_TYPES = "(other types)";

export function addTallies(a: Tally, b: Tally): Tally {
  return {
    accepted: a.accepted + b.accepted,
    duplicates: a.duplicates + b.duplicates,
    rejected: a.rejected + b.rejected,
    reasons: [...a.reasons, ...b.reasons].slice(0, SHOWN_REASONS),
    unmetered: addTypes(a.unmetered, b.unmetered),
  };
}

function addTypes(a: Tally["unmetered"], b: Tally["unmetered"]): Tally["unmetered"] {
  if (b.length === 0) return a;
  const counts = new Map<string, number>();
  for (const { type, count } of [...a, ...b]) {
    const shown = counts.has(type) || counts.size < SHOWN_TYPES ? type : OTHER_TYPES;
    counts.set(shown, (counts.get(shown) ?? 0) + count);
  }
  return [...counts].map(([type, count]) => ({ type, count }));
}

export const rowsOf = ({ accepted, duplicates, rejected }: Tally): number => accepted + duplicates + rejected;

/** The closing summary; `verb` names the accepted state. */
export function describeTally(tally: Tally, verb: "accepted" | "valid"): string {
  const rows = rowsOf(tally);
  const lines = [`${rows} ${rows === 1 ? "row" : "rows"}: ${tally.accepted} ${verb}`];
  if (verb === "accepted") lines[0] += `, ${tally.duplicates} ${tally.duplicates === 1 ? "duplicate" : "duplicates"}`;
  lines[0] += `, ${tally.rejected} rejected`;
  for (const { line, reason } of tally.reasons) lines.push(`  line ${line}: ${reason}`);
  if (tally.rejected > tally.reasons.length) lines.push(`  and ${tally.rejected - tally.reasons.length} more`);
  for (const { type, count } of tally.unmetered)
    lines.push(`  ${count} of type ${JSON.stringify(type)}, which no meter counts: recorded, and not billed`);
  return `${lines.join("\n")}\n`;
}
