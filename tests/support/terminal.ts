import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
// CommonJS, whose names Node cannot see.
import xterm from "@xterm/headless";
import { packageRoot } from "#platform/process/package-root.js";
import { waitFor } from "../servers/servers.js";
import type { MetrlyProcess } from "./metrly.js";

/** util-linux's `script`, which gives a command a terminal. */
export const hasTerminal = spawnSync("script", ["--version"]).status === 0;

/** The `metrly` command at a real terminal, and what that shows. */
export interface TerminalSession {
  /** The screen's lines, or of what has scrolled too, without trailing spaces. */
  screen(): string;
  /** Resolves with the screen once it shows this. */
  shows(text: string | RegExp): Promise<string>;
  type(keys: string): void;
  /** All that was written, with its control sequences. */
  written(): string;
  /** Resolves when the command and what follows it have ended. */
  ended(): Promise<void>;
  stop(): void;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Runs `metrly` as its administrator on the same machine, then `then`, in a shell at a terminal of this size. */
export const atTerminal = (
  metrly: Pick<MetrlyProcess, "dataDir">,
  args: readonly string[],
  size: TerminalSize,
  then = "true",
): TerminalSession => shellAtTerminal(metrly, `${COMMAND} ${args.join(" ")}; ${then}`, size);

/** How a shell here runs `metrly`. */
export const COMMAND = `${process.execPath} ${path.join(packageRoot(), "dist/cli/metrly.js")}`;

/** The same of any lines of a shell. */
export function shellAtTerminal(
  metrly: Pick<MetrlyProcess, "dataDir">,
  lines: string,
  { columns, rows }: TerminalSize,
): TerminalSession {
  const child: ChildProcessWithoutNullStreams = spawn(
    "script",
    ["-qec", `stty cols ${columns} rows ${rows}; ${lines}`, "/dev/null"],
    // The addresses are in the data directory.
    { env: { PATH: process.env.PATH, METRLY_DATA_DIR: metrly.dataDir, TERM: "xterm-256color" } },
  );
  const terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 1_000 });
  let written = "";
  child.stdout.on("data", (chunk: Buffer) => {
    written += chunk.toString("utf8");
    terminal.write(chunk);
  });
  const ended = once(child, "close");
  function screen(): string {
    const { active } = terminal.buffer;
    const lines = Array.from({ length: active.length }, (_, at) => active.getLine(at)?.translateToString(true) ?? "");
    return lines.join("\n").trimEnd();
  }
  return {
    screen,
    shows: (text) =>
      waitFor(() => (screen().match(text) === null ? undefined : screen()), {
        what: `the terminal to show ${text}:\n${screen()}`,
      }),
    type: (keys) => void child.stdin.write(keys),
    written: () => written,
    async ended() {
      await ended;
      await new Promise<void>((resolve) => terminal.write("", resolve));
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

/** A screen without what differs from run to run: digits, months, addresses, how many days a month has had. */
export function withoutNumbers(screen: string): string {
  return screen
    .replace(/http:\/\/127\.0\.0\.1:\d+ */g, (address) => "http://HOST:PORT".padEnd(address.length))
    .replace(/\b(recorded|billed|quota) [\d.]+ s/g, "$1 0.0 s")
    .replace(/ +[\d.]+\/s/g, (rate) => "0.0/s".padStart(rate.length))
    .replace(/\d/g, "0")
    .replace(/\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b/g, "Mon")
    .replace(/[▁▂▃▄▅▆▇█]+$/gm, "▁");
}
