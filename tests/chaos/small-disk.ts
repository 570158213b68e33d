import { execFile } from "node:child_process";
import { appendFile, mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { serverDir } from "../servers/run-dir.js";

const run = promisify(execFile);

const MIB = 1024 * 1024;

/** A file system of its own at a folder. */
export interface SmallDisk {
  /** Takes all the space that is left, until `clear`. */
  fill(): Promise<void>;
  clear(): Promise<void>;
  /** Also while it is in use; before that, its folder cannot be deleted. */
  unmount(): Promise<void>;
}

/** Mounts an empty disk; only root may. */
export async function mountSmallDisk(at: string, mebibytes: number): Promise<SmallDisk> {
  await mkdir(at, { recursive: true });
  await run("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", at]);
  const ballast = path.join(at, "ballast");
  return {
    async fill() {
      const more = Buffer.alloc(MIB);
      const fill = async () => {
        for (let left = mebibytes; left >= 0; left -= 1) await appendFile(ballast, more);
      };
      await expect(fill()).rejects.toMatchObject({ code: "ENOSPC" });
    },
    clear: () => rm(ballast),
    async unmount() {
      await run("umount", ["-l", at]);
    },
  };
}

export async function canMount(): Promise<boolean> {
  const probe = await serverDir("mount");
  try {
    await (await mountSmallDisk(probe, 1)).unmount();
    return true;
  } catch {
    return false;
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}
