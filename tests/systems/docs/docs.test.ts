import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { buildSchema, parse, validate } from "graphql";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { waitFor } from "../../servers/servers.js";
import { ask } from "../../support/client.js";
import { graphql } from "../../support/graphql/index.js";
import { type MetrlyProcess, startMetrly } from "../../support/metrly.js";
import { packSdk } from "../../support/sdk-package.js";
import { type Block, blocksOf, isShown, linksOf } from "./page.js";
import { openShell, type Shell } from "./shell.js";

/** Lines that a test cannot run, each with the reason. A line missing from every page is an error. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "npm start":
    "the test starts Metrly itself; tests/systems/whole-path/story.test.ts and the README's own commands start it so",
  "npm test": "it is what runs",
  "npx metrly webhooks listen --tenant acme": "it ends when it is interrupted: tests/systems/clients/webhooks.test.ts",
};
/** A reader pauses between commands. */
const MOMENT_MS = 1_000;
/** Read-only blocks: repeated until earlier events are visible. */
const QUESTIONS = /^(npx metrly (usage|quotas|invoices|graph '\{).*\n)+$/;
const ANSWER_WITHIN_MS = 120_000;
/** A month of usage, an invoice and deliveries with their retries. */
const DEMO_DEADLINE_MS = 400_000;
/** Each repeat starts processes. */
const REPEAT_MS = 500;
/**
 * A problem document's status, or rejected items: curl exits with 0 for both. Not there yet (404) and denied (429) are valid
 * results.
 */
const REFUSED = /"status":(?!404|429)[45]\d\d|"rejected":[1-9]/;

const RECIPES = "docs/recipes";
const recipes = readdirSync(path.join(packageRoot(), RECIPES)).map((name) => `${RECIPES}/${name}`);
const pages = ["docs/tutorial.md", "README.md", ...recipes];

const DEMO = graphql(`
  query DemoShows {
    acme: tenant(id: "acme") { ...Shown }
    globex: tenant(id: "globex") { ...Shown }
    initech: tenant(id: "initech") { ...Shown }
  }
  fragment Shown on Tenant {
    quotas { limit { kind limit } used reserved state }
    alerts(first: 5) { nodes { id } }
    webhookEndpoints { deliveries(first: 20) { nodes { status attempts { at } } } }
  }
`);

let metrly: MetrlyProcess;
let folder: string;

beforeAll(async () => {
  metrly = await startMetrly("embedded", { METRLY_DEMO: "on" });
  folder = await mkdtemp(path.join(tmpdir(), "metrly-docs-"));
  await waitFor(async () => (await readdir(metrly.dataDir)).includes("demo-keys.json"), {
    what: "the demo",
    deadlineMs: DEMO_DEADLINE_MS,
  });
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(`Metrly printed:\n${metrly.output().slice(-3_000)}`);
});
afterAll(async () => {
  await metrly?.dispose();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** A line of a block as listed in NOT_RUN: without its comment. */
const command = (line: string): string => line.replace(/\s+#.*$/, "");
const runnable = ({ code }: Block): string =>
  code
    .split("\n")
    .filter((line) => !(command(line) in NOT_RUN))
    .join("\n")
    .replaceAll("http://127.0.0.1:4000", metrly.url);

/** A page's commands in one shell, as a reader types them. */
async function runPage(page: string, signal: AbortSignal): Promise<void> {
  const cwd = path.join(folder, path.basename(page));
  await mkdir(cwd);
  await symlink(metrly.dataDir, path.join(cwd, ".metrly"));
  const shell = openShell(cwd, environment());
  signal.addEventListener("abort", shell.close);
  try {
    await shell.run(`npx() { shift; "${process.execPath}" "${packageRoot()}/dist/cli/metrly.js" "$@"; }`);
    for (const block of await blocksOf(page)) if (block.language === "sh") await runBlock(shell, block, page);
  } finally {
    signal.removeEventListener("abort", shell.close);
    shell.close();
  }
}

async function runBlock(shell: Shell, block: Block, page: string): Promise<void> {
  const { shown, line } = block;
  const run = () =>
    shell.run(runnable(block)).catch(({ message }: Error) => expect.fail(`${page}:${line} failed: ${message}`));
  const asks = shown !== undefined && QUESTIONS.test(block.code);
  if (!asks) await wait(MOMENT_MS);
  let said = await run();
  if (!REFUSED.test(shown?.code ?? "")) expect(said, `${page}:${line}`).not.toMatch(REFUSED);
  if (shown === undefined) return;
  const deadline = Date.now() + ANSWER_WITHIN_MS;
  while (asks && !isShown(shown.code, said) && Date.now() < deadline) {
    await wait(REPEAT_MS);
    said = await run();
  }
  expect(isShown(shown.code, said), `${page}:${shown.line} shows\n${shown.code}but it is\n${said}`).toBe(true);
}

/** A minimal environment, without METRLY_ variables of the developer. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(METRLY_|NODE_OPTIONS$|VITEST)/.test(name));
  return { ...Object.fromEntries(own), METRLY_PORT: new URL(metrly.url).port };
}

test("the demo is a good customer: room, denials, a warning, alerts, a retried and a dead delivery", async () => {
  const admin = await metrly.adminToken();
  const demo = async () => {
    const { acme, globex, initech } = await ask(metrly.url, admin, DEMO);
    return { acme, globex, initech, tenants: [acme, globex, initech] };
  };
  const isWhole = async () => {
    const { globex, initech, acme, tenants } = await demo();
    const deliveries = tenants.flatMap(({ webhookEndpoints }) =>
      webhookEndpoints.flatMap((one) => one.deliveries.nodes),
    );
    const attempts = deliveries.filter(({ status }) => status === "DELIVERED").map((one) => one.attempts.length);
    const isNear = globex.quotas.some(({ state }) => state !== "OK");
    const isDead = acme.webhookEndpoints.some((one) => one.deliveries.nodes.some(({ status }) => status === "DEAD"));
    const isOver = initech.quotas.some(({ limit, state }) => limit.kind === "SOFT" && state === "EXCEEDED");
    return isNear && isDead && isOver && initech.alerts.nodes.length > 0 && Math.max(0, ...attempts) > 1;
  };
  await waitFor(isWhole, { what: "everything that the demo shows", deadlineMs: DEMO_DEADLINE_MS });
  for (const { quotas } of (await demo()).tenants)
    for (const { limit, used, reserved } of quotas)
      if (limit.kind === "HARD") expect(Number(used) + Number(reserved)).toBeLessThanOrEqual(Number(limit.limit));
});

describe("every command of the documentation does what the page says", () => {
  test.concurrent.for(pages)("%s", (page, { signal }) => runPage(page, signal));

  test("excluded commands still exist, with a reason", async () => {
    const blocks = (await Promise.all(pages.map(blocksOf))).flat().filter(({ language }) => language === "sh");
    const lines = new Set(blocks.flatMap(({ code }) => code.split("\n").map(command)));
    expect(Object.keys(NOT_RUN).filter((skipped) => !lines.has(skipped))).toEqual([]);
  });
});

test.each(["module", "commonjs"] as const)(
  "the first program of the SDK's README runs from its tarball, as %s",
  async (type) => {
    const first = (await blocksOf("sdk/README.md")).find(({ language }) => language === "ts")?.code ?? "";
    const local = first.replace("http://127.0.0.1:4000", metrly.url);
    const required = local.replace(/^import (.*) from (.*);$/gm, "const $1 = require($2);");
    const { run } = await (await packSdk()).project(type);
    const { acme } = JSON.parse(await readFile(path.join(metrly.dataDir, "demo-keys.json"), "utf8"));
    const key = `process.env.METRLY_KEY = ${JSON.stringify(acme)};`;
    const said = await run(type === "module" ? `${key}\n${local}` : `${key}\n(async () => {\n${required}\n})();`);
    expect(said).toMatch(/^(allowed WITHIN_LIMITS|denied LIMIT_EXCEEDED)\n$/);
  },
);

test("every GraphQL operation of a page fits the API", async () => {
  const schema = buildSchema(await readFile(path.join(packageRoot(), "schema/graphql/api.graphql"), "utf8"));
  let count = 0;
  for (const page of pages) {
    for (const { language, code, line } of await blocksOf(page)) {
      const asked = [...code.matchAll(/npx metrly graph '([^']+)'/g)].map(([, operation = ""]) => operation);
      for (const operation of language === "graphql" ? [code] : asked) {
        count += 1;
        expect(validate(schema, parse(operation)).map(String), `${page}:${line}`).toEqual([]);
      }
    }
  }
  expect(count).toBeGreaterThan(20);
});

test("the targets of a page's links exist", async () => {
  for (const page of pages)
    expect(
      (await linksOf(page)).filter((target) => !existsSync(path.join(packageRoot(), target))),
      page,
    ).toEqual([]);
});

test("the TypeScript of the documentation compiles against the SDK", async () => {
  const root = packageRoot();
  const dir = path.join(root, ".cache", "docs-types");
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  let count = 0;
  for (const page of ["sdk/README.md", ...pages]) {
    const code = (await blocksOf(page)).filter(({ language }) => language === "ts").map((block) => block.code);
    count += code.length;
    if (code.length > 0) await writeFile(path.join(dir, `${page.replace(/\W/g, "-")}.ts`), code.join("\n"));
  }
  expect(count).toBeGreaterThan(5);
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
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", dir], { encoding: "utf8" });
  expect(status, stdout).toBe(0);
});
