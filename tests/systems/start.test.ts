import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { DEFAULT_NAMESPACE } from "#platform/process/config.js";
import { packageRoot } from "#platform/process/package-root.js";
import { SERVICES } from "#platform/process/services.js";
import { build } from "../support/build.js";
import { type MetrlyProcess, startMetrly } from "../support/metrly.js";

// What a start loads and does, since its time depends on the machine. The sources in a process come from V8's own coverage.

const run = promisify(execFile);
const CHUNKS = path.join(packageRoot(), "dist/chunks");

beforeAll(build);

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "metrly-test-start-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  return folder;
}

/** The packages, and the rooms of this one, of all files that the processes loaded that wrote their coverage into `folder`. */
async function loadedIn(folder: string): Promise<ReadonlySet<string>> {
  const loaded = new Set<string>();
  for (const name of await readdir(folder)) {
    const { result } = JSON.parse(await readFile(path.join(folder, name), "utf8")) as Coverage;
    for (const { url } of result) if (url.startsWith("file:")) loaded.add(fileURLToPath(url));
  }
  const owners = await Promise.all([...loaded].map(async (file) => (await sourcesOf(file)).map(ownerOf)));
  return new Set(owners.flat());
}

interface Coverage {
  readonly result: readonly { readonly url: string }[];
}

/** From the root of the checkout. */
async function sourcesOf(built: string): Promise<readonly string[]> {
  const fromRoot = (file: string) => path.relative(packageRoot(), file);
  if (path.dirname(built) !== CHUNKS) return [fromRoot(built)];
  const { sources } = JSON.parse(await readFile(`${built}.map`, "utf8")) as { sources: readonly string[] };
  return sources.map((source) => fromRoot(path.resolve(CHUNKS, source)));
}

const ownerOf = (source: string): string =>
  /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(source)?.[1] ?? source.split("/")[0] ?? "";

describe("a command that asks no server", () => {
  test.each(["--version", "--help", "tenants --help", "completion bash"])(
    "%s loads commander, and none of the system",
    async (line) => {
      const folder = await newFolder();
      const words = line.split(" ");
      const { stdout } = await run(process.execPath, ["dist/cli/metrly.js", ...words], {
        cwd: packageRoot(),
        env: { PATH: process.env.PATH, NODE_V8_COVERAGE: folder },
      });
      expect(stdout).not.toBe("");
      const others = [...(await loadedIn(folder))].filter((owner) => !["cli", "dist", "kernel"].includes(owner));
      // Of the platform what says how a command is typed, and the names of services and papers.
      expect(others.sort()).toEqual(["commander", "platform"]);
    },
  );
});

test("a start on what is there migrates nothing, composes nothing, and loads no adapter or format that it does not use", async () => {
  const folder = await newFolder();
  const metrly = await startMetrly("embedded", { NODE_V8_COVERAGE: folder });
  onTestFinished(() => metrly.dispose());
  const before = await migrationsOf(metrly);
  expect(await metrly.terminate(), metrly.output()).toBe(0);
  await metrly.restart();
  expect(await migrationsOf(metrly)).toEqual(before);
  expect(await metrly.terminate(), metrly.output()).toBe(0);
  const loaded = await loadedIn(folder);
  expect(loaded).toContain("@graphql-hive/router-query-planner");
  const tooMuch = ["@theguild/federation-composition", "kafkajs", "nodemailer", "pdfmake", "fontkit", "sha.js"];
  expect(tooMuch.filter((name) => loaded.has(name))).toEqual([]);
});

/** Every row of every database, with the transaction that wrote it. */
async function migrationsOf({ dataDir }: MetrlyProcess): Promise<unknown> {
  const [password, pidFile] = await Promise.all(
    ["password", "data/postmaster.pid"].map((file) => readFile(path.join(dataDir, "postgres", file), "utf8")),
  );
  const port = pidFile?.split("\n")[3];
  const ofEach: unknown[] = [];
  for (const name of [...SERVICES, "log"]) {
    const database = `${DEFAULT_NAMESPACE}_${name}`;
    const client = new pg.Client({ connectionString: `postgres://metrly:${password}@127.0.0.1:${port}/${database}` });
    await client.connect();
    const { rows } = await client.query("SELECT xmin::text, ctid::text, migration_name FROM _prisma_migrations");
    await client.end();
    expect(rows.length, database).toBeGreaterThan(0);
    ofEach.push([database, rows]);
  }
  return ofEach;
}

test("what is built has one graphql, as modules, and Prisma's small query compiler alone", async () => {
  const chunks = (await readdir(CHUNKS)).filter((name) => name.endsWith(".js"));
  const sources = (await Promise.all(chunks.map((name) => sourcesOf(path.join(CHUNKS, name))))).flat();
  const ofGraphql = sources.filter((source) => ownerOf(source) === "graphql");
  expect(ofGraphql.length).toBeGreaterThan(50);
  expect(ofGraphql.filter((source) => !source.endsWith(".mjs"))).toEqual([]);
  expect(new Set(ofGraphql).size).toBe(ofGraphql.length);
  const texts = await Promise.all(chunks.map((name) => readFile(path.join(CHUNKS, name), "utf8")));
  const compilers = texts.flatMap((text) => text.match(/query_compiler_\w+/g) ?? []);
  expect(new Set(compilers)).toEqual(new Set(["query_compiler_small_bg"]));
});
