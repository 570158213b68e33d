import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { expect, test } from "vitest";
import { type PrivatePostgres, startPostgres } from "../servers/private-servers.js";
import { hasPostgres, waitFor } from "../servers/servers.js";
import { injectionOf } from "./inject.js";
import type { MatrixWorld } from "./world.js";

const ROUNDS = 12;
const CLIENTS = 4;
const LENGTHS = { frozenMs: 1, apartMs: 1, shiftedMs: 1 };
const SESSIONS = `SELECT pid, xact_start IS NOT NULL AS is_inside FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`;

test.skipIf(!hasPostgres)(
  "a freeze inside of a transaction freezes sessions that are inside, however short that is",
  async () => {
    const postgres = await startPostgres({ fsync: "off" });
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect(postgres)));
    const observer = await connect(postgres);
    const stopping = new AbortController();
    const work = Promise.all(clients.map((client) => transact(client, stopping.signal)));
    const frozen: boolean[][] = [];
    // The server goes on just before its sessions do. One that was stopped shows it when its turn on a processor would have come.
    const look = async () => nonEmpty(await areInside(observer));
    const kill = async () => void frozen.push(await waitFor(look, { what: "sessions that are seen to be frozen" }));
    const observed = { ...postgres, kill };
    const world = { compose: { postgres: observed } } as unknown as MatrixWorld;
    const { last } = injectionOf(world, { component: "postgres", fault: "freeze-in-transaction" }, LENGTHS);
    try {
      for (let n = 0; n < ROUNDS; n += 1) await last();
    } finally {
      stopping.abort();
      await work;
      for (const client of [...clients, observer]) await client.end();
      await postgres.stop();
    }
    expect(frozen).toHaveLength(ROUNDS);
    for (const sessions of frozen) expect(sessions).not.toContain(false);
  },
);

const nonEmpty = (sessions: boolean[]): boolean[] | undefined => (sessions.length > 0 ? sessions : undefined);

async function connect(postgres: PrivatePostgres): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url() });
  await client.connect();
  return client;
}

async function transact(client: pg.Client, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const statement of ["BEGIN", "SELECT 1", "COMMIT"]) await client.query(statement);
    await wait(1);
  }
}

/** Of each frozen session, whether it is inside of a transaction. */
async function areInside(observer: pg.Client): Promise<boolean[]> {
  const { rows } = await observer.query<{ pid: number; is_inside: boolean }>(SESSIONS);
  const found = await Promise.all(rows.map(async ({ pid, is_inside }) => ((await isStopped(pid)) ? [is_inside] : [])));
  return found.flat();
}

/** After the name, which may contain spaces, comes the state: T is stopped. See proc_pid_stat(5). */
async function isStopped(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
}
