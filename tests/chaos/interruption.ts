import pg from "pg";
import { waitFor } from "../servers/servers.js";
import type { Requests } from "../support/requests.js";

/** Work that a fault interrupts. */
export interface Work {
  readonly what: string;
  /** Whether there is some now. */
  isUnderWay(): boolean | Promise<boolean>;
  /** Called just before the fault; the returned function answers whether the fault interrupted some of the work. */
  watch(): () => boolean | Promise<boolean>;
}

const TRIES = 10;
/** A client notices the end of a connection at once, on a busy machine a little later; a fault that missed is repeated. */
const NOTICED_WITHIN_MS = 2_000;

/**
 * Makes the fault happen while the work is under way, and fails unless the fault interrupted some of it: a fault that hits nothing
 * proves nothing. `fault` resolves when the process is gone. `recover` follows each fault; one that missed is repeated.
 */
export async function interrupt(
  work: Work,
  fault: () => Promise<unknown>,
  recover: () => Promise<unknown>,
): Promise<void> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    await waitFor(() => work.isUnderWay(), { what: `${work.what} under way`, pauseMs: 2, deadlineMs: 300_000 });
    const wasInterrupted = work.watch();
    await fault();
    const hit = await wasInterrupted();
    await recover();
    if (hit) return;
  }
  throw new Error(`${TRIES} faults, and none interrupted ${work.what}`);
}

/** Requests that broke when the server died. */
export const requestsOf = (what: string, requests: Requests): Work => ({
  what: `requests ${what}`,
  isUnderWay: () => requests.open() > 0,
  watch() {
    const before = requests.broken();
    const broke = () => requests.broken() > before;
    return () => waitFor(broke, { what: `broken requests ${what}`, deadlineMs: NOTICED_WITHIN_MS }).catch(() => false);
  },
});

/** The same behind a proxy that repeats a request after its server died: still unanswered when the server was gone. */
export const repeatedRequestsOf = (what: string, requests: Requests): Work => ({
  ...requestsOf(what, requests),
  watch() {
    const before = requests.broken();
    const areOpen = requests.mark();
    return () => areOpen() || requests.broken() > before;
  },
});

/** Transactions that were open when the server went away. */
export const transactionsOf = (postgres: { url(): string }): Work => ({
  what: "transactions",
  isUnderWay: async () => (await count(postgres.url(), OPEN_TRANSACTIONS)) > 0,
  watch: () => async () => (await count(postgres.url(), OPEN_TRANSACTIONS).catch(() => -1)) === -1,
});

const OPEN_TRANSACTIONS = `SELECT count(*) FROM pg_stat_activity
  WHERE xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()`;

/** Rows that one step has committed and the next has not, before the fault and still after it. */
const backlogOf = (what: string, size: () => Promise<number>): Work => ({
  what,
  isUnderWay: async () => (await size()) > 0,
  watch: () => async () => (await size()) > 0,
});

/** Events that the recorder has given a seq and the publisher has not published. */
export const unpublished = (ingestionUrl: string): Work =>
  backlogOf("unpublished seqs", () =>
    count(
      ingestionUrl,
      "SELECT count(*) FROM recorder_cursor JOIN publisher_cursor USING (partition) WHERE seq > published",
    ),
  );

/** Recorded seqs whose effect billing has not committed. */
export const uncommitted = (ingestionUrl: string, billingUrl: string): Work =>
  backlogOf("steps of billing", async () => {
    const recorded = await count(ingestionUrl, "SELECT coalesce(sum(seq), 0) FROM recorder_cursor");
    return recorded - (await count(billingUrl, "SELECT coalesce(sum(seq), 0) FROM high_water_mark"));
  });

async function count(url: string, query: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: string }>(`SELECT (${query})::bigint AS count`);
    return Number(rows[0]?.count);
  } finally {
    await client.end();
  }
}
