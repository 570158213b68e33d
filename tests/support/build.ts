import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "#platform/process/package-root.js";
import { once } from "../servers/once.js";

const run = promisify(execFile);

/** Processes run the compiled build, like `npm start`. It is made once for all test files, before any process starts. */
export async function build(): Promise<void> {
  await once("build", compile);
}

async function compile(): Promise<void> {
  const tsc = path.join(packageRoot(), "node_modules/typescript/bin/tsc");
  await run(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: packageRoot() }).catch((cause: unknown) => {
    const said = cause instanceof Error && "stdout" in cause ? String(cause.stdout) : String(cause);
    throw new Error(`the build failed:\n${said}`, { cause });
  });
}
