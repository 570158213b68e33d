import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { MetrlyError } from "#kernel/errors.js";
import { createFairQueue } from "#platform/lifecycle/fair-queue.js";
import { createShares, type ShareLimits } from "#platform/lifecycle/shares.js";
import { monotonicMs, nextTurn } from "#platform/lifecycle/time.js";
import { refuseRequest } from "./slow-requests.js";

/** Of routing and authentication of requests that begin in one turn. One connection is accepted between two turns. */
const TURN_MS = 4;
/** Of requests that wait to begin, bytes: beyond, an address may hold its share of the first. */
const WAITING: ShareLimits = { shared: 96 << 20, max: 128 << 20 };
/** What node:http holds of a request without a body, about, and of a body that nobody reads yet, at most. */
const REQUEST_BYTES = 4 << 10;
const MAX_UNREAD_BYTES = 64 << 10;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly address: string;
  readonly bytes: number;
}

/** Requests of one line by connection. */
type Connections = Map<Socket, Waiting[]>;

export interface RequestTurns {
  /** Whose turn a request is, as far as that is known before anything else. */
  addressOf(request: IncomingMessage): string;
  readonly waiting?: ShareLimits;
}

/**
 * Begins requests for a short time in each turn of the event loop, before anything is known about them: node:http hands over all that clients
 * have pipelined, and connections are accepted only between turns. Those that wait take turns by address, and at an address's turn
 * by connection: behind a proxy, all clients may have one address. Requests behind an unanswered one of their connection have a turn of
 * their own, so that they delay no other connection. Closes connections, with BUSY, whose requests exceed the
 * address's share of what may wait.
 */
export function inRequestTurns(answer: Handler, { addressOf, waiting = WAITING }: RequestTurns): Handler {
  const turns = createFairQueue<string>(1);
  const lines = new Map<string, Connections>();
  const shares = createShares(waiting);
  let isBegun = false;
  /** What the requests of this turn took until now, without what else happened in it. */
  let spentMs = 0;

  function begin(request: IncomingMessage, response: ServerResponse): void {
    if (!isBegun) nextTurn(beginWaiting);
    isBegun = true;
    const since = monotonicMs();
    answer(request, response);
    spentMs += monotonicMs() - since;
  }

  function beginWaiting(): void {
    isBegun = false;
    spentMs = 0;
    while (turns.size > 0 && spentMs < TURN_MS) {
      const [name = ""] = turns.take(1);
      const next = nextOf(name);
      if (next !== undefined) begin(next.request, next.response);
    }
  }

  /** The next request whose client is still there. A Map keeps insertion order: a connection that was served goes to the end. */
  function nextOf(name: string): Waiting | undefined {
    const connections: Connections = lines.get(name) ?? new Map();
    for (const [socket, requests] of connections) {
      connections.delete(socket);
      const taken = requests.splice(0, isClosed(socket) ? requests.length : 1).map(orEarlier);
      if (requests.length > 0) connections.set(socket, requests);
      if (connections.size === 0) lines.delete(name);
      for (const { address, bytes } of taken) shares.hold(address, 1, -bytes);
      if (!isClosed(socket)) return taken[0];
    }
    lines.delete(name);
    return undefined;
  }

  /** A pipelined request whose connection's first one waits in the other line takes that one's place there. */
  function orEarlier(taken: Waiting): Waiting {
    const line = lines.get(taken.address)?.get(taken.request.socket);
    const [earlier] = line?.splice(0, 1, taken) ?? [];
    return earlier ?? taken;
  }

  function wait(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const address = addressOf(request);
    const bytes = bytesOf(request);
    if (shares.refusal(address, 1, bytes) !== undefined) {
      refuseRequest(socket, new MetrlyError("BUSY", "Too many requests of this address wait; try again later"));
      return;
    }
    shares.hold(address, 1, bytes);
    const name = response.socket === null ? `${address} pipelined` : address;
    const connections: Connections = lines.get(name) ?? new Map();
    const requests = connections.get(socket) ?? [];
    requests.push({ request, response, address, bytes });
    lines.set(name, connections.set(socket, requests));
    turns.push(name, name, 1);
  }

  return (request, response) => {
    if (turns.size === 0 && spentMs < TURN_MS) begin(request, response);
    else wait(request, response);
  };
}

const isClosed = (socket: Socket): boolean => socket.destroyed || socket.writableEnded;

function bytesOf({ headers }: IncomingMessage): number {
  const body = headers["transfer-encoding"] === undefined ? Number(headers["content-length"] ?? 0) : MAX_UNREAD_BYTES;
  return REQUEST_BYTES + Math.min(body, MAX_UNREAD_BYTES);
}
