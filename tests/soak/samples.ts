import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { parseConfig } from "#platform/process/config.js";
import type { MatrixWorld } from "../faults/world.js";
import type { Answers, Counts } from "./answers.js";
import type { HeapSample } from "./memory.js";

export const SERVERS = ["kafka", "redis", "postgres"] as const;

/** What the system looked like at a moment. */
export interface Sample {
  readonly atMs: number;
  /** Resident MiB by role and server. */
  readonly memoryMiB: Readonly<Record<string, number>>;
  readonly answers: Counts;
  /** Undefined: PostgreSQL did not say. */
  readonly lag: Lag | undefined;
}

export interface Lag {
  /** The age of the newest record of the log that is in the ledger, of the partition that is most behind; each has a tick a second. */
  readonly logToLedgerSeconds: number;
  /** Entries of the ledger that are not in billing's totals yet. */
  readonly ledgerToTotals: number;
  /** The same for what quota counts. */
  readonly ledgerToQuota: number;
}

export interface Sampler {
  readonly samples: readonly Sample[];
  heaps(role: string): readonly HeapSample[];
  stop(): Promise<void>;
}

const EVERY_MS = 1_000;
const ANSWER_MS = 1_000;
const CURSORS = `SELECT coalesce(sum(seq), 0)::float8 AS seq,
  coalesce(extract(epoch FROM now()) * 1000 - min(nullif(recorded_through_ms, 0)), 0)::float8 / 1000 AS age FROM recorder_cursor`;
const MARKS = "SELECT coalesce(sum(seq), 0)::float8 AS seq FROM high_water_mark";

/** Looks every second: memory by /proc, lag past the network whose faults the roles see. */
export function startSampler({ compose }: MatrixWorld, heapsDir: string, answers: Answers): Sampler {
  const samples: Sample[] = [];
  const heaps = new Map<string, HeapSample[]>();
  const ledger = poolOf("ingestion");
  const totals = poolOf("billing");
  const quota = poolOf("quota");
  let isOver = false;

  function poolOf(role: string): pg.Pool {
    const { databaseUrl = "" } = parseConfig(compose.processes.get(role)?.env ?? {});
    const url = new URL(compose.postgres.url());
    url.pathname = new URL(databaseUrl).pathname;
    const pool = new pg.Pool({
      ...{ connectionString: url.toString(), max: 1, connectionTimeoutMillis: ANSWER_MS, query_timeout: ANSWER_MS },
    });
    pool.on("error", () => undefined);
    return pool;
  }

  async function lag(): Promise<Lag | undefined> {
    try {
      const [recorded, added, counted] = await Promise.all([
        ledger.query<{ seq: number; age: number }>(CURSORS),
        totals.query<{ seq: number }>(MARKS),
        quota.query<{ seq: number }>(MARKS),
      ]);
      const { seq = 0, age = 0 } = recorded.rows[0] ?? {};
      const behind = (of: pg.QueryResult<{ seq: number }>) => Math.max(0, seq - (of.rows[0]?.seq ?? 0));
      return {
        logToLedgerSeconds: Math.max(0, age),
        ...{ ledgerToTotals: behind(added), ledgerToQuota: behind(counted) },
      };
    } catch {
      return undefined;
    }
  }

  async function look(): Promise<void> {
    const atMs = Date.now();
    const memoryMiB: Record<string, number> = {};
    for (const [role, container] of compose.processes) memoryMiB[role] = await residentMiB(container.pid());
    for (const server of SERVERS) memoryMiB[server] = await residentMiB(compose[server].pid());
    memoryMiB.postgres = await familyMiB(compose.postgres.pid());
    for (const role of compose.processes.keys()) await lookAtHeap(role, atMs);
    samples.push({ atMs, memoryMiB, answers: answers.take(), lag: await lag() });
  }

  /** A file that did not change, of a process that stands still or has ended, is no new sample. */
  async function lookAtHeap(role: string, atMs: number): Promise<void> {
    const text = await readFile(path.join(heapsDir, role), "utf8").catch(() => undefined);
    if (text === undefined) return;
    const { pid, bytes } = JSON.parse(text) as { readonly pid: number; readonly bytes: number };
    const mine = heaps.get(role) ?? [];
    const last = mine.at(-1);
    if (last?.pid !== pid || last.bytes !== bytes) mine.push({ atMs, pid, bytes });
    heaps.set(role, mine);
  }

  async function run(): Promise<void> {
    while (!isOver) {
      const startedAt = Date.now();
      await look();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, startedAt + EVERY_MS - Date.now())));
    }
  }

  const running = run();
  return {
    samples,
    heaps: (role) => heaps.get(role) ?? [],
    async stop() {
      isOver = true;
      await running;
      await Promise.all([ledger.end(), totals.end(), quota.end()]);
    },
  };
}

const MIB_OF_KIB = 1 / 1024;

async function statusOf(pid: number | string): Promise<string> {
  return readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
}

const kibOf = (status: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);

/** 0 while it is down. */
async function residentMiB(pid: number): Promise<number> {
  return kibOf(await statusOf(pid), "VmRSS") * MIB_OF_KIB;
}

/** PostgreSQL has a process for each session: their own memory, and once what they share. */
async function familyMiB(pid: number): Promise<number> {
  const all = await Promise.all((await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(statusOf));
  const family = all.filter((status) => kibOf(status, "PPid") === pid || kibOf(status, "Pid") === pid);
  const own = family.reduce((sum, status) => sum + kibOf(status, "RssAnon"), 0);
  const shared = Math.max(0, ...family.map((status) => kibOf(status, "RssShmem")));
  return (own + shared) * MIB_OF_KIB;
}
