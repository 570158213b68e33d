import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { runCommand } from "../../cli/commands/program.js";
import type { Ended } from "./cli.js";
import type { MetrlyProcess } from "./metrly.js";

/**
 * The same as `runCli`, of the source and in this process: a process of its own costs more than what the command does. One at a
 * time: it replaces this process's environment, output and exit until the command has ended.
 */
export async function runCliHere(
  { url, dataDir }: Pick<MetrlyProcess, "url" | "dataDir">,
  args: readonly string[],
  settings: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const { env, exit, exitCode, argv } = process;
  const [out, err] = [captured(process.stdout), captured(process.stderr)];
  process.env = { PATH: env.PATH, METRLY_PORT: new URL(url).port, METRLY_DATA_DIR: dataDir, ...settings };
  process.argv = [process.execPath, path.join(packageRoot(), "dist/cli/metrly.js"), ...args];
  process.exitCode = 0;
  let ended: Ended | undefined;
  const endedWith = (code: unknown): Ended => ({ code: Number(code), out: out.text(), err: err.text() });
  process.exit = (code) => {
    ended = endedWith(code ?? process.exitCode);
    throw new Error("nothing follows an exit");
  };
  try {
    await runCommand(args);
    return ended ?? endedWith(process.exitCode);
  } finally {
    Object.assign(process, { env, exit, exitCode, argv });
    for (const stream of [out, err]) stream.release();
  }
}

function captured(stream: NodeJS.WriteStream): { text(): string; release(): void } {
  const { write } = stream;
  let text = "";
  stream.write = (chunk: string | Uint8Array) => {
    text += Buffer.from(chunk).toString("utf8");
    return true;
  };
  return {
    text: () => text,
    release() {
      stream.write = write;
    },
  };
}
