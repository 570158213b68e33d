import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packageRoot } from "#platform/process/package-root.js";
import { freePort, waitFor } from "../servers/servers.js";
import { build } from "../support/build.js";
import { ask } from "../support/client.js";
import { isDatabaseGone } from "../support/metrly.js";
import { linkEach } from "./docs/fresh-clone.js";
import * as world from "./whole-path/world.js";

// The server as `npm pack` makes it, installed where there is no checkout: its dependencies are those of the checkout.

const run = promisify(execFile);

let folder: string;
let installed: string;
let metrly: string;
let files: readonly string[];

beforeAll(async () => {
  await build();
  folder = await mkdtemp(path.join(tmpdir(), "metrly-package-"));
  // Built above: the script before packing would build again.
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
  const [{ filename, files: packed }] = JSON.parse((await run("npm", args, { cwd: packageRoot() })).stdout) as [Packed];
  files = packed.map((one) => one.path);
  const modules = path.join(folder, "node_modules");
  await linkEach(path.join(packageRoot(), "node_modules"), modules);
  installed = path.join(modules, "metrly");
  await rm(installed, { recursive: true, force: true });
  await mkdir(installed);
  await run("tar", ["-xzf", path.join(folder, filename), "-C", installed, "--strip-components", "1"]);
  const commands = path.join(modules, ".bin");
  metrly = path.join(commands, "metrly");
  // The checkout's, by a link.
  await rm(commands);
  await mkdir(commands);
  const { bin } = JSON.parse(await readFile(path.join(installed, "package.json"), "utf8"));
  await symlink(path.join("../metrly", bin.metrly), metrly);
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

test("it holds what a run needs, and no tests, sources or tools", () => {
  const isNeeded = (file: string) =>
    /^(dist\/(?!.*\.(test|testing|conformance)\.js$).*\.js(\.map)?|gateway\/(explorer\/browser|api-docs)\/[\w.-]+\.(js|css)|prisma\/\w+\/migrations\/.*\.sql|schema\/graphql\/(billing|ingestion|notification|quota|supergraph|tenancy)\.graphql)$/.test(
      file,
    );
  expect(files.filter((file) => !isNeeded(file)).sort()).toEqual([
    ".env.example",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "package.json",
  ]);
});

test("installed in an empty folder it runs: the explorer, usage, and an invoice's page and PDF", async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const dataDir = path.join(folder, "data");
  const PATH = `${path.dirname(metrly)}${path.delimiter}${process.env.PATH}`;
  const env = { PATH, METRLY_PORT: `${port}`, METRLY_METRICS_PORT: "0", METRLY_DATA_DIR: dataDir, METRLY_DEMO: "off" };
  const { version } = JSON.parse(await readFile(path.join(packageRoot(), "package.json"), "utf8"));
  expect((await run(metrly, ["--version"], { cwd: folder, env })).stdout).toBe(`${version}\n`);
  const server = spawn(metrly, ["all"], {
    cwd: folder,
    env: { ...env, METRLY_TICK_SECONDS: "1", METRLY_LOG_LEVEL: "warn" },
  });
  const exited = once(server, "exit");
  let output = "";
  for (const stream of [server.stdout, server.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString("utf8");
    });
  try {
    const isReady = async () => (await fetch(`${url}/readyz`)).ok;
    await waitFor(isReady, { what: "the installed server to be ready", deadlineMs: 200_000 }).catch((error: Error) =>
      expect.fail(`${error.message}\n${output}`),
    );
    const page = await (await fetch(url)).text();
    const assets = [...page.matchAll(/(?:src|href)="(explorer\/[^"]+)"/g)].map(([, asset = ""]) => asset);
    expect(assets.length).toBeGreaterThan(1);
    for (const asset of [...assets, "explorer/graphiql.js", "docs", "openapi.json"])
      expect([asset, (await fetch(new URL(asset, url))).status]).toEqual([asset, 200]);
    const admin = (await readFile(path.join(dataDir, "admin-token"), "utf8")).trim();
    const invoice = await closedInvoice(url, admin);
    const authorization = `Bearer ${admin}`;
    const paper = async (kind: string) => fetch(`${url}/invoices/${invoice}/${kind}`, { headers: { authorization } });
    expect(await (await paper("page")).text()).toContain("Acme");
    const pdf = Buffer.from(await (await paper("pdf")).arrayBuffer());
    expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
    const listed = await run(metrly, ["invoices", "list", "acme"], { cwd: folder, env });
    expect(listed.stdout).toContain(invoice);
    // The hint is typed as this installation is.
    await expect(run(metrly, ["tenants", "show", "nobody"], { cwd: folder, env })).rejects.toMatchObject({
      stderr: expect.stringMatching(/List them: metrly tenants list\n$/),
    });
  } finally {
    server.kill("SIGTERM");
    await exited;
    await waitFor(() => isDatabaseGone(dataDir), { what: "the database to end" });
  }
  expect([server.exitCode, output]).toEqual([0, expect.not.stringContaining('"level":50')]);
});

/** The id of an invoice over a plan's fee for last month. */
async function closedInvoice(url: string, admin: string): Promise<string> {
  const { startMs, acceptedFromMs } = world.lastMonth(Date.now());
  const version = { currency: "EUR", recurringFee: "10", prices: [] };
  await ask(url, admin, world.CREATE_PLAN, { input: { id: "basic", name: "Basic", version } });
  const periodStart = new Date(startMs).toISOString();
  const tenant = { id: "acme", name: "Acme", planId: "basic", startsAt: new Date(acceptedFromMs).toISOString() };
  await ask(url, admin, world.CREATE_TENANT, { input: tenant });
  await ask(url, admin, world.CLOSE_PERIOD, { tenantId: "acme", periodStart });
  let id = "";
  const isThere = async () => {
    id = (await world.invoicesOf(url, admin, "acme"))[0]?.id ?? "";
    return id !== "";
  };
  await waitFor(isThere, { what: "the invoice" });
  return id;
}
