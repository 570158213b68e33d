import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";

const LOCKED = { "node_modules/a": { version: "1.0.0" }, "node_modules/@scope/b": { version: "2.0.0" } };
const ASK = `import { missingInstall } from "./scripts/install.mjs"; console.log(missingInstall({ dev: false })?.reason);`;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "metrly-install-"));
  await cp(path.join(packageRoot(), "scripts/install.mjs"), path.join(folder, "scripts/install.mjs"));
  await put("package-lock.json", { packages: { "": {}, ...LOCKED } });
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
