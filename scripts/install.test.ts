import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { isRunning } from "#platform/embedded-postgres/cluster.js";
import { packageRoot } from "#platform/process/package-root.js";
import { waitFor } from "../tests/servers/servers.js";

const LOCKED = { "node_modules/a": { version: "1.0.0" }, "node_modules/@scope/b": { version: "2.0.0" } };
const ASK = `import { missingInstall } from "./scripts/install.mjs"; console.log(missingInstall({ dev: false })?.reason);`;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "metrly-install-"));
  await cp(path.join(packageRoot(), "scripts/install.mjs"), path.join(folder, "scripts/install.mjs"));
  await put("package-lock.json", { packages: { "": {}, sdk: { version: "1.0.0" }, ...LOCKED } });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function put(file: string, content: object): Promise<void> {
  await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
  await writeFile(path.join(folder, file), JSON.stringify(content));
}

const reason = (): string =>
  execFileSync(process.execPath, ["--input-type=module", "--eval", ASK], { cwd: folder, encoding: "utf8" }).trim();

test("an install says why it is needed: for the first time, because of some packages, or not at all", async () => {
  expect(reason()).toBe("2 packages");
  await put("node_modules/a/package.json", {});
  await put("node_modules/.package-lock.json", {
    packages: { ...LOCKED, "node_modules/@scope/b": { version: "1.9.0" } },
  });
  expect(reason()).toBe("1 of 2 packages is missing or has another version: @scope/b");
  await put("node_modules/@scope/b/package.json", {});
  await put("node_modules/.package-lock.json", { packages: LOCKED });
  expect(reason()).toBe("undefined");
});

// npm heeds a signal at the end of a step only.
test("Ctrl-C ends an install at once, and npm with it", async () => {
  const npm = path.join(folder, "npm.js");
  await writeFile(
    npm,
    `process.on("SIGINT", () => {}); setInterval(() => {}, 1_000);
     require("node:fs").writeFileSync("npm.pid", String(process.pid));`,
  );
  const install = `import { installWithProgress } from "./scripts/install.mjs"; await installWithProgress(["ci"]);`;
  const installer = spawn(process.execPath, ["--input-type=module", "--eval", install], {
    ...{ cwd: folder, env: { ...process.env, npm_execpath: npm }, stdio: ["ignore", "pipe", "inherit"] },
  });
  let said = "";
  installer.stdout.on("data", (chunk: Buffer) => (said += chunk));
  const ended = once(installer, "close");
  const pid = await waitFor(async () => Number(await readFile(path.join(folder, "npm.pid"), "utf8")) || undefined, {
    what: "npm to run",
  });
  onTestFinished(() => void (isRunning(pid) && process.kill(pid, "SIGKILL")));
  installer.kill("SIGINT");
  expect(await ended).toEqual([130, null]);
  expect(said).toContain("Stopped before all was installed");
  expect(isRunning(pid)).toBe(false);
});
