import { execFile } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { hasCode } from "#kernel/errors.js";
import { type ComposeService, isVolume, mountsOf } from "./compose-file.js";
import { commandOf, envOf, volumeDir, type World } from "./world.js";

const run = promisify(execFile);

/** Runs a container to completion (`service_completed_successfully`), its volumes below a root folder of its own. */
export async function runOnce(world: World, name: string, service: ComposeService): Promise<void> {
  const root = path.join(world.dir, "roots", name);
  const volumes = mountsOf(service).filter(({ source }) => isVolume(source));
  for (const { source, target } of volumes) {
    const link = path.join(root, target);
    await mkdir(path.dirname(link), { recursive: true });
    await symlink(volumeDir(world, source), link).catch((error: unknown) => {
      if (!hasCode(error, "EEXIST")) throw error;
    });
  }
  const [command, ...args] = commandOf(world, service).map((word) => (isAbove(word, volumes) ? root + word : word));
  await run(command ?? "", args, { env: envOf(world, service) }).catch((cause: unknown) => {
    const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr) : String(cause);
    throw new Error(`${name} did not complete: ${said}`, { cause });
  });
}

/** Whether the word is a folder of mounts. */
const isAbove = (word: string, volumes: readonly { readonly target: string }[]): boolean =>
  volumes.some(({ target }) => target.startsWith(`${word}/`));
