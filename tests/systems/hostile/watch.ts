import { expect } from "vitest";
import { waitFor } from "../../servers/servers.js";
import { postEvents } from "../../support/client.js";
import { cpuMs, decide, peakMiB, type Server } from "./server.js";

/**
 * What others may wait for while the server works for an attacker: its processor time, so that a busy machine changes little.
 * What blocks a server takes 15 s and more; what does not takes about a tenth of these, unoptimized.
 */
const MAX_HEALTH_CPU_MS = 3_000;
const MAX_NEIGHBOUR_CPU_MS = 6_000;
const MAX_MIB = 900;
const MAX_LOG_LINE = 16_384;
/** Rounds that others must be answered in at least, while the attack goes on. */
const ROUNDS = 3;
/** Between further rounds: an attack may hold for long. */
const PAUSE_MS = 250;

/** Repeats what is refused for now: on a slow machine the log may take longer than a request waits for it. */
async function untilServed(status: number, send: () => Promise<Response>): Promise<void> {
  const served = await waitFor(
    async () => {
      const answer = await send();
      const text = await answer.text();
      return answer.status === 503 ? undefined : { status: answer.status, text };
    },
    { what: "the neighbour to be served" },
  );
  expect(served.status, served.text).toBe(status);
}

/**
 * Runs an attack, and meanwhile asks for health and sends a neighbour's event and request for a decision, round after round.
 * All of them must be answered while the attack holds: it is told when it may end. Fails if the server worked long for others
 * before it answered or grew, and if its log is not clean.
 */
export async function underAttack(server: Server, attack: (hold: Promise<void>) => Promise<void>): Promise<void> {
  const { url, neighbour } = server;
  const pid = server.metrly.pid();
  const cpu = () => cpuMs(pid) ?? 0;
  let rounds = 0;
  let worst = { health: 0, neighbour: 0 };
  let isOver = false;
  let endHold = () => {};
  const hold = new Promise<void>((resolve) => {
    endHold = resolve;
  });

  async function round(): Promise<void> {
    const before = cpu();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const healthy = cpu();
    const event = { specversion: "1.0", id: crypto.randomUUID(), source: "neighbour", type: "call", data: {} };
    await untilServed(202, () => postEvents(url, neighbour.key, event, "application/cloudevents+json"));
    await untilServed(200, () => decide(url, neighbour.key));
    worst = {
      health: Math.max(worst.health, healthy - before),
      neighbour: Math.max(worst.neighbour, cpu() - healthy),
    };
    rounds += 1;
    if (rounds >= ROUNDS) endHold();
  }

  const watching = (async () => {
    while (!isOver || rounds < ROUNDS) {
      await round();
      if (rounds >= ROUNDS) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  const attacking = attack(hold).finally(() => {
    isOver = true;
  });
  // A watch that failed ends the attack too.
  await Promise.all([watching.finally(endHold), attacking]);
  expect(worst.health).toBeLessThan(MAX_HEALTH_CPU_MS);
  expect(worst.neighbour).toBeLessThan(MAX_NEIGHBOUR_CPU_MS);
  expect(peakMiB(pid) ?? 0).toBeLessThan(MAX_MIB);
  assertCleanLog(server);
}

/** How much of a server's output was judged. */
const judged = new WeakMap<Server, number>();

/** Fails if the server wrote long lines, faults or stack traces into its log since the last call: one fault fails one test. */
export function assertCleanLog(server: Server): void {
  const { metrly } = server;
  const lines = metrly.output(judged.get(server)).split("\n");
  judged.set(server, metrly.printed());
  expect(lines.filter((line) => line.length > MAX_LOG_LINE)).toEqual([]);
  expect(lines.filter(isFault)).toEqual([]);
}

/** What the database of a slow machine did not do in its time; the work is tried again. */
const OUT_OF_TIME = ['"type":"TransactionTooLong"', '"message":"the session with the lock was ended"'];

/** A stack trace, but for one in a warning, which is retried, and for those of a slow machine. */
function isFault(line: string): boolean {
  return (
    line.includes("request failed") ||
    /^\s+at /.test(line) ||
    (line.includes('"stack":') &&
      !line.startsWith('{"level":40,') &&
      !OUT_OF_TIME.some((error) => line.includes(error)))
  );
}
