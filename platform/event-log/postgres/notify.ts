import type { Database } from "#platform/database/database.js";
import { keepListening } from "#platform/database/listen.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { placeOf, type WakeUps } from "./wake-ups.js";

const CHANNEL = "metrly_log";

export interface AppendNotifications {
  /** Wakes readers in this process immediately and those of other processes soon. */
  announce(topic: string, partition: number): void;
  stop(): Promise<void>;
}

/** For a process that has the log to itself. */
export const wakeHere = (wakeUps: WakeUps): AppendNotifications => ({
  announce: (topic, partition) => wakeUps.wake(placeOf(topic, partition), "here"),
  stop: async () => undefined,
});

/**
 * NOTIFY is sent after the append's commit, separately: inside, it would serialise all commits of the database. A lost one
 * costs its readers a poll interval.
 */
export function listenForAppends(
  database: Database,
  wakeUps: WakeUps,
  onError: (error: unknown) => void,
): AppendNotifications {
  // Readers here are woken directly; on our own notification each would read twice.
  const sender = newUuid();
  const dirty = new Set<string>();
  let sending: Promise<void> | undefined;

  async function send(): Promise<void> {
    while (dirty.size > 0) {
      const payloads = [...dirty];
      dirty.clear();
      try {
        await database.pool.query({
          name: "log-notify",
          text: "SELECT pg_notify($1, payload) FROM unnest($2::text[]) payload",
          values: [CHANNEL, payloads.map((place) => `${sender} ${place}`)],
        });
      } catch (error) {
        onError(error);
      }
    }
    sending = undefined;
  }

  const listening = keepListening({
    database,
    channel: CHANNEL,
    onNotification(payload) {
      const [from, place] = payload.split(" ", 2);
      if (from !== sender && place !== undefined) wakeUps.wake(place, "elsewhere");
    },
    onError,
  });
  return {
    announce(topic, partition) {
      const place = placeOf(topic, partition);
      wakeUps.wake(place, "here");
      dirty.add(place);
      sending ??= send();
    },
    async stop() {
      await Promise.all([listening.stop(), sending]);
    },
  };
}
