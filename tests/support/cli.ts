import { spawn } from "node:child_process";
import path from "node:path";
import { expect } from "vitest";
import { ERROR_CODES, isErrorCode } from "#kernel/errors.js";
import { packageRoot } from "#platform/process/package-root.js";
import { waitFor } from "../servers/servers.js";
import type { MetrlyProcess } from "./metrly.js";
import { nodeFlags } from "./node-flags.js";

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The built `metrly` command against a running Metrly, as its own administrator on the same machine. */
export function runCli(
  metrly: Pick<MetrlyProcess, "url" | "dataDir">,
  args: readonly string[],
  own: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const command = path.join(packageRoot(), "dist/cli/metrly.js");
  const env = {
    PATH: process.env.PATH,
    METRLY_PORT: new URL(metrly.url).port,
    METRLY_DATA_DIR: metrly.dataDir,
    ...own,
  };
  const child = spawn(process.execPath, [...nodeFlags, command, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString("utf8");
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
}

/** `metrly doctor`, once it finds no problem: a machine that stops for seconds makes Metrly unready for a moment. */
export const wellDoctor = (metrly: MetrlyProcess): Promise<Ended> =>
  waitFor(
    async () => {
      const ended = await runCli(metrly, ["doctor"]);
      if (ended.code !== 0) throw new Error(ended.out + ended.err);
      return ended;
    },
    { what: "the doctor to find no problem" },
  );

/** Nobody answered, or not now (503): a busy machine is slow. */
function isForNow({ code, err }: Ended): boolean {
  const codes = [...err.matchAll(/^([A-Z_]+): /gm)].map(([, found = ""]) => found);
  return code !== 0 && codes.some((found) => isErrorCode(found) && ERROR_CODES[found].status === 503);
}

/**
 * Asserts that billing's and quota's derived data match the ledger: `metrly rebuild --check` finds identical bytes, and `metrly
 * quota reconcile` no difference. `own`: the installation's environment.
 */
export async function expectDerived(metrly: MetrlyProcess, own: Readonly<Record<string, string>> = {}): Promise<void> {
  for (const args of [
    ["rebuild", "--check"],
    ["quota", "reconcile"],
  ]) {
    const run = async () => {
      const ended = await runCli(metrly, args, own);
      return isForNow(ended) ? undefined : ended;
    };
    const { code, out, err } = await waitFor(run, { what: `an answer to metrly ${args.join(" ")}` });
    expect([args.join(" "), code, code === 0 ? "" : out + err]).toEqual([args.join(" "), 0, ""]);
  }
}
