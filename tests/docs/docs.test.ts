import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { buildSchema, parse, validate } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "#platform/package-root.js";
import { waitFor } from "../servers/servers.js";
import { type MetrlyProcess, startMetrly } from "../support/metrly.js";
import { type Block, blocksOf, isShown } from "./page.js";

/** Lines that a test cannot run, each with why. One that is in no page any more is an error. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "npm start":
    "the test starts Metrly itself; tests/whole-path/story.test.ts and the README's own commands start it so",
  "npm test": "it is what runs",
  "npx metrly webhooks listen --tenant acme": "it ends when it is interrupted: tests/clients/webhooks.test.ts",
};
/** Between a reader's commands lies a moment. */
const MOMENT_MS = 1_500;

let metrly: MetrlyProcess;
let recipes: string[];
let folder: string;

beforeAll(async () => {
  recipes = (await readdir(path.join(packageRoot(), "docs/recipes"))).map((name) => `docs/recipes/${name}`);
  metrly = await startMetrly("embedded", { METRLY_DEMO: "on" });
  folder = await mkdtemp(path.join(tmpdir(), "metrly-docs-"));
  await symlink(metrly.dataDir, path.join(folder, ".metrly"));
  await waitFor(async () => (await readdir(metrly.dataDir)).includes("demo-keys.json") || undefined, {
    what: "the demo",
    deadlineMs: 120_000,
  });
}, 240_000);
afterAll(async () => {
  await metrly?.dispose();
  await rm(folder, { recursive: true, force: true });
});

const isSkipped = (line: string): boolean => Object.keys(NOT_RUN).some((skipped) => line.startsWith(skipped));
const runnable = ({ code }: Block): string =>
  code
    .split("\n")
    .filter((line) => !isSkipped(line))
    .join("\n")
    .replaceAll("http://127.0.0.1:4000", metrly.url);

/** A page's commands in one shell, as one reader types them; what each block printed. */
async function runPage(page: string): Promise<void> {
  const blocks = await blocksOf(page);
  const commands = blocks.filter(({ language }) => language === "sh");
  const script = commands
    .map((block, index) => `sleep ${MOMENT_MS / 1_000}\necho "@@${index}"\n${runnable(block)}\necho`)
    .join("\n");
  const cwd = path.join(folder, path.basename(page));
  await mkdir(cwd);
  await symlink(metrly.dataDir, path.join(cwd, ".metrly"));
  const npx = `npx() { shift; "${process.execPath}" "${path.join(packageRoot(), "dist/cli/metrly.js")}" "$@"; }`;
  const { output, code } = await bash(`set -euo pipefail\n${npx}\n${script}`, cwd);
  const printed = output.split(/^@@\d+$/m).slice(1);
  const last = commands[printed.length - 1];
  expect(code, `${page}:${last?.line} failed:\n${output.slice(-2_000)}`).toBe(0);
  for (const [index, block] of commands.entries()) {
    const next = blocks[blocks.indexOf(block) + 1];
    if (next?.language !== "text") continue;
    const said = printed[index] ?? "";
    expect(isShown(next.code, said), `${page}:${next.line} shows\n${next.code}but it is\n${said}`).toBe(true);
  }
}

function bash(script: string, cwd: string): Promise<{ output: string; code: number | null }> {
  const env = { ...process.env, METRLY_URL: metrly.url, METRLY_DATA_DIR: metrly.dataDir, NODE_OPTIONS: "" };
  const port = new URL(metrly.url).port;
  const child = spawn("bash", ["-c", script], {
    cwd,
    env: { ...env, METRLY_PORT: port },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  return new Promise((resolve) => child.once("close", (code) => resolve({ output, code })));
}

describe("every command of the documentation does what the page says", () => {
  test("docs/tutorial.md", { timeout: 180_000 }, () => runPage("docs/tutorial.md"));
  test("README.md", { timeout: 180_000 }, () => runPage("README.md"));
  test("docs/recipes", { timeout: 180_000 }, async () => {
    expect(recipes.length).toBeGreaterThanOrEqual(5);
    await Promise.all(recipes.map(runPage));
  });

  test("what is not run is still there, with a reason", async () => {
    const lines = await Promise.all(
      ["README.md", "docs/tutorial.md", ...recipes].map(async (page) =>
        (await blocksOf(page)).flatMap(({ code }) => code.split("\n")),
      ),
    );
    for (const skipped of Object.keys(NOT_RUN))
      expect(
        lines.flat().some((line) => line.startsWith(skipped)),
        skipped,
      ).toBe(true);
  });
});

test("every GraphQL operation in a page's commands fits the API", async () => {
  const schema = buildSchema(await readFile(path.join(packageRoot(), "schema/graphql/api.graphql"), "utf8"));
  let count = 0;
  for (const page of ["README.md", "docs/tutorial.md", ...recipes]) {
    for (const { code, line } of await blocksOf(page)) {
      for (const [, operation = ""] of code.matchAll(/npx metrly graph '([^']+)'/g)) {
        count += 1;
        expect(validate(schema, parse(operation)).map(String), `${page}:${line}`).toEqual([]);
      }
    }
  }
  expect(count).toBeGreaterThan(15);
});

test("the TypeScript of the documentation compiles against the SDK", { timeout: 60_000 }, async () => {
  const root = packageRoot();
  const dir = path.join(root, ".cache", "docs-types");
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  for (const page of ["sdk/README.md", ...recipes]) {
    const code = (await blocksOf(page)).filter(({ language }) => language === "ts").map((block) => block.code);
    if (code.length > 0) await writeFile(path.join(dir, `${page.replace(/\W/g, "-")}.ts`), code.join("\n"));
  }
  const sdk = (entry: string) => [path.join(root, "sdk/src", `${entry}.ts`)];
  const paths = {
    "@metrly/sdk": sdk("index"),
    "@metrly/sdk/express": sdk("express"),
    "@metrly/sdk/fastify": sdk("fastify"),
  };
  await writeFile(
    path.join(dir, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        ...{ target: "es2022", module: "nodenext", moduleResolution: "nodenext", strict: true, noEmit: true, paths },
        ...{ types: ["node"], skipLibCheck: true, lib: ["es2023", "dom"], exactOptionalPropertyTypes: true },
      },
      include: ["*.ts"],
    }),
  );
  const tsc = path.join(root, "node_modules/typescript/bin/tsc");
  const { output, code } = await bash(`"${process.execPath}" "${tsc}" -p "${dir}"`, root);
  expect(code, output).toBe(0);
});
