import pg from "pg";
import { waitFor } from "../servers/servers.js";
import type { Requests } from "../support/requests.js";

/** Work that a fault is supposed to interrupt. */
export interface Work {
  readonly what: string;
  /** Whether work is in progress. */
  isUnderWay(): boolean | Promise<boolean>;
  /** Called just before the fault; the returned function reports whether the fault interrupted work. */
  watch(): () => boolean | Promise<boolean>;
}

const TRIES = 5;

/**
 * Lets the fault happen while the work is under way, and fails unless the fault interrupted some of it: a fault that hits nothing
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

/** Requests that were open before the fault and unanswered, or answered with a failure, after it. A proxy may repeat them later. */
export const requestsOf = (what: string, requests: Requests): Work => ({
  what: `requests ${what}`,
  isUnderWay: () => requests.open() > 0,
  watch: () => requests.mark(),
});

/** Rows committed by one step and not by the next, before the fault and still after it. */
export const backlogOf = (what: string, size: () => Promise<number>): Work => ({
  what,
  isUnderWay: async () => (await size()) > 0,
  watch: () => async () => (await size()) > 0,
});

/** Events with a seq that are not published yet. */
export const unpublished = (ingestionUrl: string): Work =>
  backlogOf("unpublished seqs", () =>
    count(
      ingestionUrl,
      "SELECT count(*) FROM recorder_cursor JOIN publisher_cursor USING (partition) WHERE seq > published",
    ),
  );

/** Recorded seqs whose effect billing has not committed. */
export function uncommitted(ingestionUrl: string, billingUrl: string): Work {
  return backlogOf("steps of billing", async () => {
    const recorded = await count(ingestionUrl, "SELECT coalesce(sum(seq), 0) FROM recorder_cursor");
    return recorded - (await count(billingUrl, "SELECT coalesce(sum(seq), 0) FROM high_water_mark"));
  });
}

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
