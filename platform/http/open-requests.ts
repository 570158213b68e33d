import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { MetrlyError } from "#kernel/errors.js";
import { refuseRequest } from "./slow-requests.js";

/** Requests that a client may send on one connection before it has the answer of the first. */
const MAX_OPEN_REQUESTS = 100;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Bounds the requests that wait for answers on one connection: node:http gives all that a client sends at once to the handler in
 * one turn of the event loop. With one more the connection is closed, with 503 if nothing has been answered on it yet.
 */
export function boundOpenRequests(answer: Handler): Handler {
  const open = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    const count = (open.get(socket) ?? 0) + 1;
    // Refused: what else came with it is not looked at.
    if (count === Number.POSITIVE_INFINITY) return;
    if (count > MAX_OPEN_REQUESTS) {
      open.set(socket, Number.POSITIVE_INFINITY);
      refuseRequest(socket, new MetrlyError("BUSY", `A connection has at most ${MAX_OPEN_REQUESTS} open requests`));
      return;
    }
    open.set(socket, count);
    response.once("close", () => open.set(socket, (open.get(socket) ?? 1) - 1));
    answer(request, response);
  };
}
