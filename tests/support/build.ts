import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { packageRoot } from "#platform/process/package-root.js";
import { once } from "../servers/once.js";

const run = promisify(execFile);

/** Processes run the build, like `npm start`. It is made once for all test files, before any process starts. */
export async function build(): Promise<void> {
  await once("build", compile);
}

async function compile(): Promise<void> {
  await run(process.execPath, ["scripts/build.mjs"], { cwd: packageRoot() }).catch((cause: unknown) => {
    const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr) : String(cause);
    throw new Error(`the build failed:\n${said}`, { cause });
  });
}
