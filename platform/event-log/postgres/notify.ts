import { randomUUID } from "node:crypto";
import pg from "pg";
import type { Database } from "#platform/database/database.js";
import type { WakeUps } from "./wake-ups.js";

const CHANNEL = "metrly_log";
const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 5_000;
const END_WITHIN_MS = 500;

export interface AppendNotifications {
  /** Wakes readers in this process at once and those of other processes soon. */
  announce(topic: string, partition: number): void;
  stop(): Promise<void>;
}

/**
 * NOTIFY goes out after the append's commit and apart from it: inside, it would serialise all commits of the database.
 * One that is lost costs its readers a poll interval.
 */
export function listenForAppends(
  database: Database,
  wakeUps: WakeUps,
  onError: (error: unknown) => void,
): AppendNotifications {
  // Readers here are woken directly; hearing our own notification would make each of them read twice.
  const sender = randomUUID();
  const dirty = new Set<string>();
  let sending: Promise<void> | undefined;
  let stopping = false;
  let halt = () => {};
  const halted = new Promise<void>((resolve) => {
    halt = resolve;
  });

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

  async function listen(): Promise<void> {
    let backoffMs = FIRST_BACKOFF_MS;
    while (!stopping) {
      const client = new pg.Client({ connectionString: database.url, keepAlive: true });
      const closed = new Promise<void>((resolve) => client.once("end", resolve));
      client.on("error", onError);
      client.on("notification", ({ payload = "" }) => {
        const [from, place] = payload.split(" ", 2);
        if (from !== sender && place !== undefined) wakeFor(place, wakeUps);
      });
      try {
        await client.connect();
        await client.query(`LISTEN ${CHANNEL}`);
        backoffMs = FIRST_BACKOFF_MS;
        await Promise.race([closed, halted]);
      } catch (error) {
        onError(error);
      }
      // pg's `end` of a connection that broke may never resolve.
      await Promise.race([client.end(), wakeUps.pause(END_WITHIN_MS)]);
      if (!stopping) await wakeUps.pause(backoffMs);
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    }
  }

  const listening = listen();
  return {
    announce(topic, partition) {
      wakeUps.wake(topic, partition);
      dirty.add(`${topic}/${partition}`);
      sending ??= send();
    },
    async stop() {
      stopping = true;
      halt();
      await Promise.all([listening, sending]);
    },
  };
}

function wakeFor(place: string, wakeUps: WakeUps): void {
  const slash = place.lastIndexOf("/");
  wakeUps.wake(place.slice(0, slash), Number(place.slice(slash + 1)));
}
