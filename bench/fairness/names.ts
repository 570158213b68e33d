import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { createNameResolver } from "../../workers/notification/delivery/resolver.js";
import { runPart } from "./part.js";
import { LOUD, loudLoops, measureRounds, OTHERS } from "./rounds.js";

const HEADER_BYTES = 12;
const SLOW_MS = 500;

/** A name server on UDP that has one address for every name, and is slow for names of the loud tenant. */
async function startNameServer() {
  const socket = createSocket("udp4");
  socket.on("message", async (query, { port, address }) => {
    const end = query.indexOf(0, HEADER_BYTES) + 5;
    if (query.includes(LOUD)) await wait(SLOW_MS);
    const header = Buffer.from(query.subarray(0, HEADER_BYTES));
    header.writeUInt16BE(0x8180, 2);
    const isA = query.readUInt16BE(end - 4) === 1;
    header.writeUInt16BE(isA ? 1 : 0, 6);
    header.writeUInt32BE(0, 8);
    const answer = Buffer.from([0xc0, HEADER_BYTES, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 34]);
    socket.send([header, query.subarray(HEADER_BYTES, end), ...(isA ? [answer] : [])], port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

// DNS: names of webhook receivers.
await runPart(async ({ rounds, seconds }) => {
  const socket = await startNameServer();
  const resolverOf = createNameResolver({ servers: [`127.0.0.1:${socket.address().port}`] });
  let asked = 0;
  const resolve = (tenantId: string) => {
    asked += 1;
    return resolverOf(tenantId)(`hooks-${asked}.${tenantId}.test`);
  };
  try {
    const loud = () => loudLoops(() => resolve(LOUD));
    return await measureRounds({ others: OTHERS, use: resolve, loud, rounds, seconds });
  } finally {
    socket.close();
  }
});
