import { appendFileSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { isJsonObject } from "#kernel/json.js";
import type { LogDestination } from "#platform/process/logger.js";

/** Where the JSON lines of a Metrly at a terminal are. */
export const logFile = (dataDir: string): string => path.join(dataDir, "metrly.log");

/** After which the file is moved away, replacing the one before it. */
const MAX_FILE_BYTES = 10 << 20;

export interface TerminalLog {
  /** Writes JSON lines to the file, and shows them to the person at the terminal. */
  readonly destination: LogDestination;
  /** Lines about this webhook endpoint are as they should be: they stay in the file only. */
  expectLinesOf(endpointId: string): void;
}

/**
 * The log of a Metrly that a person watches. `show` gets a line of text for each log line; a file that cannot be written is told once,
 * and never stops what is logged.
 */
export function createTerminalLog(file: string, show: (line: string) => void): TerminalLog {
  const expected = new Set<unknown>();
  const append = appender(file, (reason) => show(`The log ${file} cannot be written: ${reason}`));
  return {
    destination: {
      write(line: string) {
        append(line);
        const entry = entryOf(line);
        if (entry !== undefined && !isTold(entry) && !expected.has(entry.endpointId)) show(textOf(entry));
      },
    },
    expectLinesOf: (endpointId) => void expected.add(endpointId),
  };
}

/** Kept in memory while there is no data directory yet, which has an owner and a mode of its own. */
const MAX_WAITING_CHARACTERS = 65_536;

function appender(file: string, failed: (reason: string) => void): (line: string) => void {
  let waiting = "";
  let hasFailed = false;
  return (line) => {
    try {
      const text = waiting + line;
      const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      if (bytes > MAX_FILE_BYTES) renameSync(file, `${file}.1`);
      appendFileSync(file, text, { mode: 0o600 });
      waiting = "";
    } catch (error) {
      const isThere = !(error instanceof Error && "code" in error && error.code === "ENOENT");
      if (!isThere && waiting.length < MAX_WAITING_CHARACTERS) waiting += line;
      if (isThere && !hasFailed) failed(error instanceof Error ? error.message : String(error));
      hasFailed ||= isThere;
    }
  };
}

type Entry = Readonly<Record<string, unknown>>;

function entryOf(line: string): Entry | undefined {
  const entry: unknown = JSON.parse(line);
  return isJsonObject(entry) ? entry : undefined;
}

/** The first screen says it, without which nobody reads this. */
const isTold = ({ msg }: Entry): boolean => typeof msg === "string" && msg.startsWith("Server listening at");

const LEVELS: Readonly<Record<number, string>> = { 40: "warning", 50: "error", 60: "fatal" };
const MAX_DETAILS = 300;

const MAX_CAUSES = 4;
const MAX_REASON = 500;

/** An error's message and code, then those of its causes, each once. */
function reasonsOf(error: unknown): string[] {
  const reasons = new Set<string>();
  for (let at = error, n = 0; isJsonObject(at) && n <= MAX_CAUSES; at = at.cause, n++) {
    const { type, code } = at;
    const message = at.message || (code === undefined ? type : undefined);
    const isCodeSaid = typeof message === "string" && typeof code === "string" && message.includes(code);
    const parts = [message, isCodeSaid ? undefined : code].filter((part) => typeof part === "string");
    if (parts.length > 0) reasons.add(parts.join(" ").slice(0, MAX_REASON));
  }
  return [...reasons];
}

/** `12:41:34 warning notification: a webhook endpoint was disabled (tenantId=acme, reason=…)`; times of this machine. */
function textOf({ level, time, service, msg, err, ...rest }: Entry): string {
  const at = new Date(Number(time)).toTimeString().slice(0, 8);
  const label = LEVELS[Number(level)];
  const said = [service, msg, ...reasonsOf(err)].filter((part) => part !== undefined);
  const members = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const details = members.join(", ").slice(0, MAX_DETAILS);
  // Control characters could move the cursor.
  return `${at} ${label === undefined ? "" : `${label} `}${said.join(": ")}${details === "" ? "" : ` (${details})`}`.replace(
    /\p{Cc}/gu,
    " ",
  );
}
