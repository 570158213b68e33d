import type { IncomingMessage, Server } from "node:http";
import { MetrlyError } from "#kernel/errors.js";
import { every, nextTurn, type Timer } from "#platform/lifecycle/time.js";
import { hasBody, isAnswering } from "./early-answers.js";
import { MIN_BYTES_PER_SECOND, refuseRequest, TIMED_OUT } from "./slow-requests.js";

const CHECK_MS = 250;
/** After this grace, a body must have arrived at the least rate on average. */
const GRACE_SECONDS = 5;
/** Of all bodies that arrive; the largest are refused until the rest is below. */
const MAX_ARRIVING_BYTES = 64 << 20;

/** Throws, or rejects, once the credential of a request whose body arrives is no longer good for it. */
export type CredentialCheck = (request: IncomingMessage) => void | Promise<void>;

interface Arriving {
  readonly request: IncomingMessage;
  /** Of the connection when the body began. */
  readonly bytesBefore: number;
  readonly check: CredentialCheck | undefined;
  /** Counted by checks, not by the clock: a process that was busy must not blame its clients. */
  seconds: number;
  isChecking: boolean;
}

/**
 * Ends requests whose bodies stop arriving, arrive slower than the least rate, whose credential ends meanwhile, or that hold
 * most when all hold too much. `checkOf`: how to check the credential of a request. Call the result to stop.
 */
export function watchBodies(
  server: Server,
  checkOf: (request: IncomingMessage) => CredentialCheck | undefined,
  maxBytes = MAX_ARRIVING_BYTES,
): () => void {
  const arriving = new Set<Arriving>();
  let begun: { readonly request: IncomingMessage; readonly bytesBefore: number }[] = [];
  let timer: Timer | undefined;

  /** Most bodies arrive with their header: only others are watched. */
  function watchBegun(): void {
    for (const one of begun)
      if (!one.request.complete) arriving.add({ ...one, check: checkOf(one.request), seconds: 0, isChecking: false });
    begun = [];
  }

  function check(): void {
    let bytes = 0;
    for (const one of arriving) {
      const { request } = one;
      if (request.complete || request.destroyed) {
        arriving.delete(one);
        continue;
      }
      // While nobody reads it, its client cannot send.
      if (request.readableFlowing === true) one.seconds += CHECK_MS / 1_000;
      if (bytesOf(one) < (one.seconds - GRACE_SECONDS) * MIN_BYTES_PER_SECOND) end(one, TIMED_OUT);
      // What is answered is read and dropped.
      else if (!isAnswering(request.socket)) {
        bytes += bytesOf(one);
        void checkCredential(one);
      }
    }
    if (bytes > maxBytes) shed(bytes);
  }

  async function checkCredential(one: Arriving): Promise<void> {
    if (one.check === undefined || one.isChecking) return;
    one.isChecking = true;
    try {
      await one.check(one.request);
    } catch (error) {
      // A failure of the check itself is found when the body is complete.
      if (error instanceof MetrlyError && error.status < 500) end(one, error);
    } finally {
      one.isChecking = false;
    }
  }

  function shed(total: number): void {
    let bytes = total;
    const held = [...arriving].filter(({ request }) => !isAnswering(request.socket));
    for (const one of held.sort((a, b) => bytesOf(b) - bytesOf(a))) {
      if (bytes <= maxBytes) return;
      bytes -= bytesOf(one);
      end(one, new MetrlyError("BUSY", "Too many large bodies are arriving"));
    }
  }

  function end(one: Arriving, error: MetrlyError): void {
    arriving.delete(one);
    if (!one.request.complete) refuseRequest(one.request.socket, error);
  }

  server.on("listening", () => {
    timer ??= every(CHECK_MS, check, { unref: true });
  });
  server.on("request", (request: IncomingMessage) => {
    if (!hasBody(request)) return;
    if (begun.length === 0) nextTurn(watchBegun);
    begun.push({ request, bytesBefore: request.socket.bytesRead });
  });
  return () => timer?.cancel();
}

const bytesOf = ({ request, bytesBefore }: Arriving): number => request.socket.bytesRead - bytesBefore;
