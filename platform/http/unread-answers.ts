import type { Socket } from "node:net";

const CHECK_MS = 250;
/** Of all connections, answers that their clients do not read. */
const MAX_UNREAD_BYTES = 128 << 20;
/** A client that reads nothing of its answer for this long is disconnected. */
const MAX_UNREAD_MS = 20_000;

export interface UnreadLimits {
  readonly maxUnreadBytes?: number;
  readonly maxUnreadMs?: number;
}

export interface UnreadWatch {
  readonly everyMs: number;
  /** Give it every open connection every `everyMs`. */
  check(sockets: Iterable<Socket>, about: AboutSockets): void;
}

interface AboutSockets {
  /** Whether its protocol has limits of its own for how long. */
  isUpgraded(socket: Socket): boolean;
  /** Bytes of answers that wait for one that was requested before them: node:http keeps them apart from the socket's. */
  queuedBytes(socket: Socket): number;
}

interface Stall {
  /** Bytes that the client's system has taken. */
  taken: number | undefined;
  /** Checks since then. Counted by checks, not by the clock: a process that was busy must not blame its clients. */
  checks: number;
}

/** Bounds what clients leave unread: how much of all of them, and how long one, whatever it sends meanwhile. */
export function createUnreadWatch({
  maxUnreadBytes = MAX_UNREAD_BYTES,
  maxUnreadMs = MAX_UNREAD_MS,
}: UnreadLimits): UnreadWatch {
  const stalls = new WeakMap<Socket, Stall>();

  function isStalled(socket: Socket): boolean {
    const taken = takenOf(socket);
    const stall = stalls.get(socket);
    if (stall === undefined || stall.taken !== taken) stalls.set(socket, { taken, checks: 0 });
    else stall.checks += 1;
    return (stalls.get(socket)?.checks ?? 0) * CHECK_MS >= maxUnreadMs;
  }

  return {
    everyMs: CHECK_MS,
    check(sockets, { isUpgraded, queuedBytes }) {
      const unread: { readonly socket: Socket; readonly bytes: number }[] = [];
      for (const socket of sockets) {
        if (socket.writableLength === 0) stalls.delete(socket);
        else if (!isUpgraded(socket) && isStalled(socket)) {
          socket.destroy();
          continue;
        }
        const bytes = socket.writableLength + queuedBytes(socket);
        if (bytes > 0) unread.push({ socket, bytes });
      }
      let all = unread.reduce((sum, { bytes }) => sum + bytes, 0);
      if (all <= maxUnreadBytes) return;
      for (const { socket, bytes } of unread.sort((a, b) => b.bytes - a.bytes)) {
        if (all <= maxUnreadBytes) return;
        all -= bytes;
        socket.destroy();
      }
    },
  };
}

/** Written to the connection less what still waits; node:net notices in the same way that a long write goes on. */
function takenOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  return Number(Reflect.get(handle, "bytesWritten")) - Number(Reflect.get(handle, "writeQueueSize"));
}
