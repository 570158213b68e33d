import { once } from "node:events";
import { createServer } from "node:net";
import { hasCode } from "#kernel/errors.js";
import { randomFraction } from "#platform/lifecycle/random.js";

/**
 * Above well-known ports and those blocked by fetch, below the ephemeral range (32768 and up on Linux): no outgoing connection
 * takes a port found free.
 */
const FIRST_PORT = 12_000;
const END_PORT = 32_000;
const TRIES = 100;

const handedOut = new Set<number>();

/** A free port of 127.0.0.1 that this process has not returned before. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FIRST_PORT + Math.floor(randomFraction() * (END_PORT - FIRST_PORT));
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(`found no free port on 127.0.0.1 in ${TRIES} tries between ${FIRST_PORT} and ${END_PORT}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch (error) {
    if (hasCode(error, "EADDRINUSE", "EACCES")) return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
