import { spawn } from "node:child_process";
import type { Writable } from "node:stream";

export interface Shell {
  /** Its output on both streams. Rejects when it fails: then the shell has exited, as with `set -e`. */
  run(code: string): Promise<string>;
  /** Terminates it with all its processes. */
  close(): void;
}

const END = "\n@@end of block@@\n";
/** Blocks come on a separate descriptor, so that a command that reads its input finds none. */
const EVALUATE = `set -euo pipefail
trap 'echo "failed: $BASH_COMMAND"' ERR
while IFS= read -r -d '' -u 3 block; do eval "$block" 2>&1 3<&-; printf '\\n@@end of block@@\\n'; done`;

/** One bash that runs blocks as a reader types them: variables persist, nothing after a failure runs. */
export function openShell(cwd: string, env: NodeJS.ProcessEnv): Shell {
  // A separate process group, so that processes of a block end with it.
  const stdio = ["ignore", "pipe", "pipe", "pipe"] as const;
  const bash = spawn("bash", ["-c", EVALUATE], { cwd, env, stdio: [...stdio], detached: true });
  let printed = "";
  let settle: (() => void) | undefined;
  for (const stream of [bash.stdout, bash.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      settle?.();
    });
  }
  let ended: number | string | undefined;
  bash.once("close", (code, signal) => {
    ended = code ?? signal ?? "nobody knows what";
    settle?.();
  });
  const blocks = bash.stdio[3] as Writable;
  blocks.on("error", () => undefined);

  return {
    run: (code) =>
      new Promise((resolve, reject) => {
        printed = "";
        settle = () => {
          // A process in the background may print after it.
          if (printed.includes(END)) resolve(printed.slice(0, printed.indexOf(END)));
          else if (ended !== undefined) reject(new Error(`it ended with ${ended}:\n${printed.slice(-2_000)}`));
        };
        settle();
        blocks.write(`${code}\0`);
      }),
    close() {
      if (ended !== undefined || bash.pid === undefined) return;
      ended = "close";
      process.kill(-bash.pid, "SIGKILL");
    },
  };
}
