import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

export interface Terminal {
  /** All that was printed, without escape sequences. */
  screen(): string;
  type(keys: string): void;
  /** The command's exit code, once it has ended. */
  readonly ended: Promise<number | null>;
}

export const CTRL_C = "\u0003";

/** Whether util-linux's `script` is here, which gives a command a pseudo-terminal. */
export const hasTerminal: boolean = /util-linux/.test(spawnSync("script", ["--version"], { encoding: "utf8" }).stdout);

/** A command at a pseudo-terminal. */
export function openTerminal(command: string, cwd: string, env: NodeJS.ProcessEnv, columns = 100): Terminal {
  const sized = `stty cols ${columns} rows 30; exec ${command}`;
  const child = spawn("script", ["--quiet", "--return", "--flush", "--command", sized, "/dev/null"], {
    ...{ cwd, env: { ...env, TERM: "xterm-256color" }, detached: true },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  child.stdin.on("error", () => undefined);
  return {
    screen: () => printed.replace(ESCAPES, "").replaceAll("\r", ""),
    type: (keys) => void child.stdin.write(keys),
    ended: once(child, "close").then(([code]) => code),
  };
}

/** What the built command of a checkout prints at a terminal. Rejects when it fails. */
export async function cliAtTerminal(
  command: string,
  checkout: string,
  env: NodeJS.ProcessEnv,
  columns: number,
): Promise<string> {
  const terminal = openTerminal(`"${process.execPath}" dist/cli/metrly.js ${command}`, checkout, env, columns);
  const code = await terminal.ended;
  if (code !== 0) throw new Error(`metrly ${command} ended with ${code}:\n${terminal.screen()}`);
  return terminal.screen();
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one.
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g;
