import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
// Nothing of the product: for this file, vitest resolves names like `#kernel` to compiled files, which may not be there.
import { ONCE_DIR_VARIABLE, RUN_DIR_VARIABLE } from "../servers/run-dir.js";

/** Before the first test file, and only where no run has a folder: one for what the files of this call make once and share. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  if (process.env[RUN_DIR_VARIABLE] !== undefined) return async () => undefined;
  const dir = await mkdtemp(path.join(tmpdir(), "metrly-once-"));
  const empty = () => rm(dir, { recursive: true, force: true });
  process.env[ONCE_DIR_VARIABLE] = dir;
  // A changed source needs another build.
  project.onTestsRerun(async () => {
    await empty();
    await mkdir(dir);
  });
  return empty;
}
