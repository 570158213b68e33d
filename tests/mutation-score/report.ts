/** The parts of a report of the mutation tester (mutation-testing-report-schema) that are read. */
export interface TesterReport {
  /** By path from the checkout. */
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly ReportedMutant[] }>>;
}

export interface ReportedMutant {
  readonly status: string;
  /** How it was ended, for some. */
  readonly statusReason?: string;
  readonly replacement?: string;
  /** Lines and columns count from 1; the end is exclusive. */
  readonly location: { readonly start: Place; readonly end: Place };
}

interface Place {
  readonly line: number;
  readonly column: number;
}

/** One change of the code. */
export interface Mutant {
  readonly file: string;
  /** Of the run that found it. */
  readonly lineNumber: number;
  /** The line in which the change begins, as a person reads it; with `change` it names the mutant wherever the line moves. */
  readonly line: string;
  /** E.g. `a < b -> a <= b`. */
  readonly change: string;
  readonly isKilled: boolean;
  /** Its tests had not ended when the tester's patience did: nobody knows. It counts as a survivor. */
  readonly isUnknown: boolean;
}

/** The statuses of mutants that count; others were not valid code. */
const COUNTED: ReadonlySet<string> = new Set(["Killed", "Timeout", "Survived", "NoCoverage"]);
/** The tester's reason for ending a loop because of its turns, on however slow a machine. */
const ENDLESS = /^Hit limit reached/;

/** Longer pieces of code are cut in names. */
const MAX_PIECE = 80;

/** The mutants of a report that count. */
export function mutantsOf({ files }: TesterReport): Mutant[] {
  return Object.entries(files).flatMap(([file, { source, mutants }]) => {
    const lines = source.split("\n");
    return mutants
      .filter(({ status }) => COUNTED.has(status))
      .map(({ status, statusReason = "", replacement = "", location }) => {
        const isEndless = status === "Timeout" && ENDLESS.test(statusReason);
        return {
          file,
          lineNumber: location.start.line,
          line: (lines[location.start.line - 1] ?? "").trim(),
          change: `${piece(textAt(lines, location))} -> ${piece(replacement)}`,
          isKilled: status === "Killed" || isEndless,
          isUnknown: status === "Timeout" && !isEndless,
        };
      });
  });
}

function textAt(lines: readonly string[], { start, end }: ReportedMutant["location"]): string {
  const whole = lines.slice(start.line - 1, end.line);
  const last = whole.length - 1;
  return whole
    .map((line, at) => line.slice(at === 0 ? start.column - 1 : 0, at === last ? end.column - 1 : undefined))
    .join("\n");
}

function piece(code: string): string {
  const text = code.replaceAll(/\s+/g, " ").trim();
  return text.length > MAX_PIECE ? `${text.slice(0, MAX_PIECE)}…` : text;
}
