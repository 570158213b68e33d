import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "#platform/process/package-root.js";
import { once } from "../servers/once.js";

const run = promisify(execFile);
const TARBALL = "sdk.tgz";

export interface SdkPackage {
  /** The bytes that `npm publish` would send. */
  readonly tarball: Uint8Array;
  /** A project with nothing but the installed tarball. `type`: of its modules. */
  project(type: "module" | "commonjs"): Promise<{ readonly folder: string; run(script: string): Promise<string> }>;
}

/** The SDK as it is published, packed and installed once for all test files. */
export async function packSdk(): Promise<SdkPackage> {
  const tarball = path.join(await once("sdk", pack), TARBALL);
  return {
    tarball: await readFile(tarball),
    async project(type) {
      const folder = await once(`sdk-${type}`, (empty) => install(empty, type, tarball));
      return {
        folder,
        async run(script) {
          const file = path.join(folder, `app-${randomUUID()}.js`);
          await writeFile(file, script);
          return (await run(process.execPath, [file], { cwd: folder, env: process.env })).stdout;
        },
      };
    },
  };
}

/** From a copy of its folder. */
async function pack(folder: string): Promise<void> {
  // Inside the checkout, so that the build finds its compiler.
  const cache = path.join(packageRoot(), ".cache");
  await mkdir(cache, { recursive: true });
  const source = await mkdtemp(path.join(cache, "sdk-"));
  const isOwn = (file: string) => !/(?:^|\/)(?:dist|node_modules)$/.test(path.relative(packageRoot(), file));
  try {
    await cp(path.join(packageRoot(), "sdk"), source, { recursive: true, filter: isOwn });
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: source });
    const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [{ filename: string }];
    await rename(path.join(folder, filename), path.join(folder, TARBALL));
  } finally {
    await rm(source, { recursive: true, force: true });
  }
}

async function install(folder: string, type: string, tarball: string): Promise<void> {
  await writeFile(path.join(folder, "package.json"), JSON.stringify({ private: true, type }));
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], { cwd: folder });
}
