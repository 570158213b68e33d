import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { packageRoot } from "#platform/process/package-root.js";

/** Where and of what something was measured. */
export interface Circumstances {
  readonly commit: string;
  /** E.g. 2026-03-15. */
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  /** Processes that wanted a core during the minute before. */
  readonly loadBefore: number;
}

export function circumstances(): Circumstances {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: packageRoot(), encoding: "utf8" }).trim();
  const isChanged = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results.json", ":!docs");
  return {
    commit: `${git("rev-parse", "--short", "HEAD")}${isChanged === "" ? "" : " with changes"}`,
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release().split("-")[0]}`,
    node: process.versions.node,
    loadBefore: Number((loadavg()[0] ?? 0).toFixed(1)),
  };
}
