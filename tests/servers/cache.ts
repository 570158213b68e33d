import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";

/** Downloaded servers are kept outside the checkout, so that `git clean` and fresh clones do not download them again. */
export const CACHE = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache"), "metrly-test-servers");

/** The cached folder `name`, filled by `fill` on first use. Atomic. */
export async function cached(name: string, fill: (draft: string) => Promise<void>): Promise<string> {
  const target = path.join(CACHE, name);
  if (await exists(target)) return target;
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(path.join(CACHE, `.${name}-`));
  try {
    await fill(draft);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another test run was faster.
    if (!(await exists(target))) throw error;
  }
  return target;
}

export function exists(at: string): Promise<boolean> {
  return access(at).then(
    () => true,
    () => false,
  );
}

/** A server that this machine cannot provide; `message` is the reason. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
}
