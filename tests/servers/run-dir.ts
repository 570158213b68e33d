import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

/** Set by the runner: processes started during the run keep their files here, so that the runner can clean up. */
export const RUN_DIR_VARIABLE = "METRLY_TEST_RUN_DIR";

/** Set for a call of vitest without a runner: the folder of what its test files make once and share. */
export const ONCE_DIR_VARIABLE = "METRLY_TEST_ONCE_DIR";

/** A new folder for one server's files. */
export async function serverDir(name: string): Promise<string> {
  const parent = process.env[RUN_DIR_VARIABLE] || tmpdir();
  await mkdir(parent, { recursive: true });
  return mkdtemp(path.join(parent, `metrly-${name}-`));
}
