import { readFileSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { MetrlyError } from "#kernel/errors.js";
import { networkOf } from "#platform/auth/client-address.js";
import { every } from "#platform/lifecycle/time.js";
import { refuseRequest } from "./slow-requests.js";
import { createUnreadWatch, type UnreadLimits } from "./unread-answers.js";

const MAX_CONNECTIONS = 10_000;
/** Files that the process opens beside connections: databases, queues, keys, the log. */
const OTHER_FILES = 500;

export interface ConnectionLimits extends UnreadLimits {
  readonly max?: number;
  /** Of all bodies that arrive. */
  readonly maxArrivingBytes?: number;
}

/**
 * Bounds a server's connections. One more than that takes the place of another: of the address with the most connections, the
 * oldest that has never been answered, else the oldest without a request; of another address also one with a request. So idle
 * clients keep nobody out, and a busy address keeps out only itself: its new connections are answered 503. Answers that clients do
 * not read are bounded in bytes and time (`unread-answers.ts`). Call the result to stop.
 */
export function boundConnections(
  server: Server,
  { max = maxConnections(), ...unreadLimits }: ConnectionLimits = {},
): () => void {
  const addresses = new Map<string, Set<Socket>>();
  const upgraded = new WeakSet<object>();
  const answers = new WeakMap<Socket, Set<ServerResponse>>();
  let count = 0;

  function remove(address: string, socket: Socket): void {
    const sockets = addresses.get(address);
    if (sockets?.delete(socket) !== true) return;
    count -= 1;
    if (sockets.size === 0) addresses.delete(address);
  }

  server.on("connection", (socket: Socket) => {
    // One that asked for a protocol that is not served comes a second time.
    upgraded.delete(socket);
    const address = networkOf(socket.remoteAddress);
    if (addresses.get(address)?.has(socket) === true) return;
    addresses.set(address, (addresses.get(address) ?? new Set()).add(socket));
    count += 1;
    socket.once("close", () => remove(address, socket));
    if (count <= max) return;
    const [largest, sockets] = largestOf(addresses);
    const victim = victimOf(sockets, socket, largest !== address);
    if (victim !== undefined) {
      remove(largest, victim);
      victim.destroy();
      return;
    }
    remove(address, socket);
    refuseRequest(socket, new MetrlyError("BUSY", `This process has ${max} connections`));
  });
  server.on("request", ({ socket }: IncomingMessage, answer: ServerResponse) => {
    const open = answers.get(socket) ?? new Set();
    answers.set(socket, open.add(answer));
    answer.once("close", () => open.delete(answer));
  });
  server.on("upgrade", (_, socket) => {
    // Behind an answer it is still HTTP's.
    if (!isBusy(socket)) upgraded.add(socket);
  });

  function victimOf(sockets: Iterable<Socket>, newcomer: Socket, mayBeBusy: boolean): Socket | undefined {
    let [idle, oldest] = [undefined as Socket | undefined, undefined as Socket | undefined];
    for (const socket of sockets) {
      if (socket === newcomer) continue;
      oldest ??= socket;
      if (isBusy(socket) || upgraded.has(socket)) continue;
      if (socket.bytesWritten === 0) return socket;
      idle ??= socket;
    }
    return idle ?? (mayBeBusy ? oldest : undefined);
  }

  function checkUnread(): void {
    const all = [...addresses.values()].flatMap((sockets) => [...sockets]);
    unread.check(all, { isUpgraded: (socket) => upgraded.has(socket), queuedBytes });
  }

  /** An answer whose turn it is has the socket, and its bytes are the socket's. */
  function queuedBytes(socket: Socket): number {
    let bytes = 0;
    for (const answer of answers.get(socket) ?? []) if (answer.socket === null) bytes += answer.writableLength;
    return bytes;
  }

  const unread = createUnreadWatch(unreadLimits);
  const timer = every(unread.everyMs, checkUnread, { unref: true });
  return () => timer.cancel();
}

/** Whether a request of this connection is being handled; node:http asks the same way. */
const isBusy = (socket: object): boolean => (Reflect.get(socket, "_httpMessage") ?? null) !== null;

function largestOf(addresses: ReadonlyMap<string, Set<Socket>>): readonly [string, ReadonlySet<Socket>] {
  let largest: readonly [string, ReadonlySet<Socket>] = ["", new Set()];
  for (const one of addresses) if (one[1].size > largest[1].size) largest = one;
  return largest;
}

/** The files that the process may open bound it, too: node raises the soft limit to the hard one. */
function maxConnections(): number {
  const openFiles = Number(/^Max open files\s+(\d+)/m.exec(limitsOfProcess())?.[1] ?? Number.POSITIVE_INFINITY);
  return Math.min(MAX_CONNECTIONS, Math.max(OTHER_FILES, openFiles - OTHER_FILES));
}

function limitsOfProcess(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}
