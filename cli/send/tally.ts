export interface Tally {
  readonly accepted: number;
  /** Known to the edge already; the ledger is authoritative (`accounting`). */
  readonly duplicates: number;
  readonly rejected: number;
  readonly reasons: readonly { readonly line: number; readonly reason: string }[];
}

export const EMPTY_TALLY: Tally = { accepted: 0, duplicates: 0, rejected: 0, reasons: [] };
const SHOWN_REASONS = 10;

export function addTallies(a: Tally, b: Tally): Tally {
  return {
    accepted: a.accepted + b.accepted,
    duplicates: a.duplicates + b.duplicates,
    rejected: a.rejected + b.rejected,
    reasons: [...a.reasons, ...b.reasons].slice(0, SHOWN_REASONS),
  };
}

export const rowsOf = ({ accepted, duplicates, rejected }: Tally): number => accepted + duplicates + rejected;

/** The closing summary; `verb` names the accepted state. */
export function describeTally(tally: Tally, verb: "accepted" | "valid"): string {
  const lines = [`${rowsOf(tally)} rows: ${tally.accepted} ${verb}`];
  if (verb === "accepted") lines[0] += `, ${tally.duplicates} duplicates`;
  lines[0] += `, ${tally.rejected} rejected`;
  for (const { line, reason } of tally.reasons) lines.push(`  line ${line}: ${reason}`);
  if (tally.rejected > tally.reasons.length) lines.push(`  and ${tally.rejected - tally.reasons.length} more`);
  return `${lines.join("\n")}\n`;
}
