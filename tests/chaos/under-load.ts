import type { AcknowledgedEvent } from "../oracle/oracle.js";
import { waitFor } from "../servers/servers.js";
import { countRequests, type Requests } from "../support/requests.js";
import { type ProofOptions, postLoad, type Target } from "../systems/whole-path/proof.js";

/**
 * Posts the load while the faults happen, sequentially and spread over the load: each starts at its share of the load, and
 * traffic continues until the last one has ended. Returns the acknowledged events.
 */
export async function postThrough(
  { target, key }: { readonly target: Target; readonly key: string },
  load: ProofOptions,
  faults: readonly (() => Promise<void>)[],
  requests: Requests = countRequests(),
): Promise<AcknowledgedEvent[]> {
  let [sent, due] = [0, 0];
  async function letHappen(): Promise<void> {
    try {
      for (const [n, fault] of faults.entries()) {
        due = (n + 1) / (faults.length + 1);
        await waitFor(() => sent >= due, {
          what: `fault ${n + 1} of ${faults.length}`,
          pauseMs: 2,
          deadlineMs: 300_000,
        });
        await fault();
      }
    } finally {
      due = Number.POSITIVE_INFINITY;
    }
  }
  const happened = Promise.allSettled([letHappen()]);
  const events = await postLoad(target, key, load, {
    requests,
    hold(share) {
      sent = Math.max(sent, share);
      return share >= due;
    },
  });
  for (const result of await happened) if (result.status === "rejected") throw result.reason;
  return events;
}
