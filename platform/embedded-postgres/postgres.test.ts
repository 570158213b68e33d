import { execFile, spawn } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { afterEach, expect, test } from "vitest";
import { machineTime, replaceTime } from "#platform/lifecycle/time.js";
import { waitFor } from "../../tests/servers/servers.js";
import { isRunning } from "./cluster.js";
import { type EmbeddedPostgres, EmbeddedPostgresError, startEmbeddedPostgres } from "./postgres.js";

const run = promisify(execFile);
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function newDataDir(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), "metrly-embedded-"));
  cleanups.push(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

async function start(dataDir: string, onLost?: (reason: string) => void): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, ...(onLost && { onLost }) });
  cleanups.push(() => server.stop());
  return server;
}

async function query(server: EmbeddedPostgres, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url("postgres") });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: "array" })).rows.map((row: unknown[]) => row[0]);
  } finally {
    await client.end();
  }
}

async function kill(server: EmbeddedPostgres): Promise<void> {
  process.kill(server.pid, "SIGKILL");
  await waitFor(() => !isRunning(server.pid), { what: "the postmaster to die" });
}

/** What a Metrly leaves behind that is killed: its database, running. */
async function startAndKillOwner(dataDir: string): Promise<number> {
  const script = `
    import { startEmbeddedPostgres } from "./platform/embedded-postgres/postgres.js";
    const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)} });
    process.stdout.write(String(server.pid));
    setInterval(() => process.kill(process.pid, "SIGKILL"), 50);`;
  const args = ["--import", "tsx", "--input-type=module", "-e", script];
  const failure: unknown = await run(process.execPath, args).catch((error: unknown) => error);
  expect(failure).toMatchObject({ signal: "SIGKILL" });
  return Number(failure instanceof Error && "stdout" in failure ? failure.stdout : 0);
}

test("a first start gives an empty UTF-8 database in UTC, durable and behind a password", async () => {
  const dataDir = await newDataDir();
  const server = await start(dataDir);
  expect(server.origin).toBe("created");
  for (const [setting, value] of [
    ["server_encoding", "UTF8"],
    ["lc_collate", "C"],
    ["TimeZone", "UTC"],
    ["fsync", "on"],
    ["synchronous_commit", "on"],
    ["full_page_writes", "on"],
    ["listen_addresses", "127.0.0.1"],
  ] as const) {
    const sql =
      setting === "lc_collate" ? "SELECT datcollate FROM pg_database LIMIT 1" : `SELECT current_setting('${setting}')`;
    expect([setting, await query(server, sql)]).toEqual([setting, [value]]);
  }
  const passwordFile = path.join(dataDir, "postgres", "password");
  expect((await stat(passwordFile)).mode & 0o777).toBe(0o600);
  expect(server.url("a b")).toContain(await readFile(passwordFile, "utf8"));
  const withoutPassword = new pg.Client({ connectionString: server.url("postgres").replace(/:[^:@]+@/, ":wrong@") });
  await expect(withoutPassword.connect()).rejects.toMatchObject({ code: "28P01" });
});

test("a second start keeps the data", async () => {
  const dataDir = await newDataDir();
  const first = await start(dataDir);
  await query(first, "CREATE TABLE kept AS SELECT 42 AS answer");
  await first.stop();
  expect(isRunning(first.pid)).toBe(false);
  const second = await start(dataDir);
  expect(second.origin).toBe("started");
  expect(await query(second, "SELECT answer FROM kept")).toEqual([42]);
});

test("after kill -9 of the database its owner is notified, and the next start has every committed row", async () => {
  const dataDir = await newDataDir();
  const reasons: string[] = [];
  const killed = await start(dataDir, (reason) => reasons.push(reason));
  await query(killed, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n");
  await kill(killed);
  await waitFor(() => reasons.length > 0, { what: "the owner to be reported" });
  const recovered = await start(dataDir);
  expect(recovered.origin).toBe("started");
  expect(await query(recovered, "SELECT count(*)::int FROM kept")).toEqual([1000]);
});

test("Ctrl-C in the terminal does not reach the database: it has its own process group", async () => {
  const server = await start(await newDataDir());
  expect(process.kill(-server.pid, 0)).toBe(true);
});

test("a requested stop is no loss", async () => {
  const reasons: string[] = [];
  const server = await start(await newDataDir(), (reason) => reasons.push(reason));
  await server.stop();
  expect(reasons).toEqual([]);
});

test("a database left running by a killed Metrly is adopted, and stopped in the end", async () => {
  const dataDir = await newDataDir();
  const pid = await startAndKillOwner(dataDir);
  expect(isRunning(pid)).toBe(true);
  const server = await start(dataDir);
  expect(server).toMatchObject({ origin: "adopted", pid });
  expect(await query(server, "SELECT 1")).toEqual([1]);
  await server.stop();
  expect(isRunning(pid)).toBe(false);
});

test("a second Metrly on the same data directory is refused and does not disturb the first", async () => {
  const dataDir = await newDataDir();
  const first = await start(dataDir);
  const refusal = startEmbeddedPostgres({ dataDir });
  await expect(refusal).rejects.toThrow(`The data directory ${dataDir} is in use by another running Metrly.`);
  expect(await query(first, "SELECT 1")).toEqual([1]);
});

test("a database whose last owner ends while the machine stands still is adopted", async () => {
  const dataDir = await newDataDir();
  const first = await start(dataDir, () => undefined);
  const owners = (column: string) =>
    query(
      first,
      `SELECT ${column} FROM pg_stat_activity WHERE application_name = 'metrly-owner' ORDER BY backend_start`,
    );
  let stoodStillMs = 0;
  const restoreTime = replaceTime({ ...machineTime, monotonicMs: () => performance.now() + stoodStillMs });
  cleanups.push(async () => restoreTime());
  const starting = start(dataDir);
  const hasAsked = async () => /pg_try_advisory_lock/.test(String((await owners("query"))[1]));
  await waitFor(hasAsked, { what: "it to ask whether there is an owner" });
  stoodStillMs = 10_000;
  await query(first, `SELECT pg_terminate_backend(${(await owners("pid"))[0]})`);
  expect(await starting).toMatchObject({ origin: "adopted", pid: first.pid });
});

test("two first starts at the same moment end with one database and one owner", async () => {
  const dataDir = await newDataDir();
  const outcomes = await Promise.allSettled([start(dataDir), start(dataDir)]);
  const [server, ...others] = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  expect(others).toEqual([]);
  expect(server && (await query(server, "SELECT 1"))).toEqual([1]);
});

test("a stale pid file that names a living stranger does not keep the database from starting", async () => {
  const dataDir = await newDataDir();
  const first = await start(dataDir);
  await kill(first);
  const pidFile = path.join(dataDir, "postgres", "data", "postmaster.pid");
  const { uid, gid } = await stat(pidFile);
  const stranger = spawn("sleep", ["60"], { uid, gid });
  cleanups.push(async () => stranger.kill());
  await writeFile(pidFile, (await readFile(pidFile, "utf8")).replace(/^\d+/, String(stranger.pid)));
  expect((await start(dataDir)).origin).toBe("started");
});

test("leftovers of an interrupted first start are removed", async () => {
  const dataDir = await newDataDir();
  await mkdir(path.join(dataDir, "postgres", "draft-999999999-ab", "base"), { recursive: true });
  await start(dataDir);
  expect(await readdir(path.join(dataDir, "postgres"))).toEqual(["data", "log", "password"]);
});

test("a data directory that is no directory is one clear sentence", async () => {
  const file = path.join(await newDataDir(), "file");
  await writeFile(file, "");
  await expectSentence(startEmbeddedPostgres({ dataDir: file }), `The data directory ${file} cannot be used: EEXIST`);
  const below = path.join(file, "below");
  await expectSentence(
    startEmbeddedPostgres({ dataDir: below }),
    `The data directory ${below} cannot be used: ENOTDIR`,
  );
});

test.skipIf(process.platform !== "linux")(
  "a data directory where nothing can be made is one clear sentence",
  async () => {
    await expectSentence(
      startEmbeddedPostgres({ dataDir: "/proc/metrly" }),
      "The data directory /proc/metrly cannot be used: ENOENT",
    );
  },
);

test.skipIf(process.getuid?.() === 0)("a data directory without permission is one clear sentence", async () => {
  const dataDir = await newDataDir();
  await chmod(dataDir, 0o500);
  await expectSentence(startEmbeddedPostgres({ dataDir }), `The data directory ${dataDir} cannot be used: EACCES`);
});

test("a database of another PostgreSQL is one clear sentence and stays untouched", async () => {
  const dataDir = await newDataDir();
  await (await start(dataDir)).stop();
  await writeFile(path.join(dataDir, "postgres", "data", "PG_VERSION"), "15\n");
  await expectSentence(startEmbeddedPostgres({ dataDir }), "was created by PostgreSQL 15, and this Metrly has 18");
});

test("a lost password is one clear sentence, and the database does not stay behind running", async () => {
  const dataDir = await newDataDir();
  await (await start(dataDir)).stop();
  await writeFile(path.join(dataDir, "postgres", "password"), "another");
  await expectSentence(startEmbeddedPostgres({ dataDir }), "was created with another password than");
  expect(await readdir(path.join(dataDir, "postgres", "data"))).not.toContain("postmaster.pid");
});

test("a damaged database is reported in one sentence with PostgreSQL's message", async () => {
  const dataDir = await newDataDir();
  await (await start(dataDir)).stop();
  await rm(path.join(dataDir, "postgres", "data", "global", "pg_control"));
  await expectSentence(startEmbeddedPostgres({ dataDir }), `could not open file "${dataDir}`);
});

test.skipIf(process.getuid?.() !== 0)("as root it works below a directory that only root may enter", async () => {
  const closed = await newDataDir();
  await chown(closed, 0, 0);
  await chmod(closed, 0o700);
  const server = await start(path.join(closed, "data"));
  expect((await stat(path.join(closed, "data", "postgres", "data"))).uid).not.toBe(0);
  expect(await query(server, "SELECT 1")).toEqual([1]);
});

async function expectSentence(failure: Promise<EmbeddedPostgres>, words: string): Promise<void> {
  const error: unknown = await failure.then(
    (server) => server.stop(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EmbeddedPostgresError);
  const message = error instanceof Error ? error.message : "";
  expect(message).toContain(words);
  expect(message.split("\n")).toHaveLength(1);
  expect(message).toMatch(/\.$/);
}
