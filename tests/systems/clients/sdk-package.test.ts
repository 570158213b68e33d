import { readFile } from "node:fs/promises";
import path from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { beforeAll, expect, test } from "vitest";
import { packSdk, type SdkPackage } from "../../support/sdk-package.js";

let sdk: SdkPackage;
beforeAll(async () => {
  sdk = await packSdk();
});

test("its types resolve under node10, node16 (nodenext) and bundler, in ES modules and CommonJS", async () => {
  const result = await checkPackage(createPackageFromTarballData(sdk.tarball));
  if (!result.types) throw new Error("the package has no types");
  expect(Object.keys(result.entrypoints)).toEqual([".", "./express", "./fastify", "./package.json"]);
  expect(result.problems).toEqual([]);
});

test.each([
  [
    "module",
    'import * as sdk from "@metrly/sdk"; import * as e from "@metrly/sdk/express"; import * as f from "@metrly/sdk/fastify";',
  ],
  [
    "commonjs",
    'const sdk = require("@metrly/sdk"); const e = require("@metrly/sdk/express"); const f = require("@metrly/sdk/fastify");',
  ],
] as const)("it loads in an empty project of type %s", async (type, load) => {
  const { run } = await sdk.project(type);
  const names = JSON.parse(
    await run(`${load} console.log(JSON.stringify([sdk, e, f].map((one) => Object.keys(one).sort())))`),
  );
  expect(names).toEqual([["MetrlyError", "createMetrly", "operations"], ["quotaMiddleware"], ["quotaHook", "quotaOf"]]);
});

test("it has a licence, its source maps hold the sources, and nothing else is in it", async () => {
  const { folder } = await sdk.project("module");
  const installed = path.join(folder, "node_modules/@metrly/sdk");
  const names = createPackageFromTarballData(sdk.tarball)
    .listFiles()
    .map((name) => name.replace("/node_modules/@metrly/sdk/", ""));
  expect(names.filter((name) => !/^dist\/(cjs\/)?(\w+\.(js|d\.ts|js\.map)|package\.json)$/.test(name)).sort()).toEqual([
    "LICENSE",
    "README.md",
    "package.json",
  ]);
  for (const map of ["dist/tracker.js.map", "dist/cjs/tracker.js.map"]) {
    const { sourcesContent } = JSON.parse(await readFile(path.join(installed, map), "utf8"));
    expect(sourcesContent?.[0]).toContain("export function createTracker");
  }
  const { engines, license, repository } = JSON.parse(await readFile(path.join(installed, "package.json"), "utf8"));
  expect([engines, license, repository?.directory]).toEqual([{ node: ">=20.3" }, "Apache-2.0", "sdk"]);
});
