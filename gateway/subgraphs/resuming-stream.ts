import type { ExecutionResult, GraphQLError } from "graphql";
import type { MetrlyError } from "#kernel/errors.js";
import { backoffMs } from "#platform/lifecycle/random.js";
import { after, monotonicMs, type Timer } from "#platform/lifecycle/time.js";
import { graphqlErrorOf } from "../operations/client-error.js";
import { parseAnswer, parseErrors } from "./remote-answer.js";
import type { RemoteSocket } from "./remote-socket.js";
import type { PreparedSubscription } from "./resumable.js";

/** Backpressure: with this many events buffered for a slow client, unsubscribe and resume once they are read. */
const MAX_BUFFERED = 1_000;
const BACKOFF = { firstMs: 100, longestMs: 3_000 };
/** An attempt that lived this long was connected: its failure starts a new outage. */
const STABLE_MS = 30_000;
/** Transient refusals, independent of the operation. */
const PASSING: ReadonlySet<unknown> = new Set(["SUBGRAPH_UNAVAILABLE", "UNAVAILABLE", "UNAUTHENTICATED"]);

export interface ResumingStreamOptions {
  readonly subscription: PreparedSubscription;
  readonly socket: RemoteSocket;
  /** The outage after which the stream ends with an error. */
  readonly giveUpMs: number;
  /** A fresh token for each attempt: an old one would be refused. */
  signIdentity(): Promise<string>;
  /** Logs why the subgraph is gone; returns the error for the client. */
  unavailable(reason: unknown): MetrlyError;
}

const isPassing = ({ extensions }: GraphQLError): boolean => PASSING.has(extensions.code);
/** Errors between gateway and subgraph: never shown to clients. */
const isAboutIdentity = ({ extensions }: GraphQLError): boolean => extensions.code === "UNAUTHENTICATED";

interface Outage {
  readonly sinceMs: number;
  attempts: number;
}

/**
 * A subscription that survives its socket: after an outage it resumes after the last event, without gaps or duplicates.
 * Without a known position (none given, no event received) resuming could miss an event, so the stream ends with
 * SUBGRAPH_UNAVAILABLE, as it does after too long an outage.
 */
export function resumingStream(options: ResumingStreamOptions): AsyncIterableIterator<ExecutionResult> {
  const { subscription, socket } = options;
  const buffer: ExecutionResult[] = [];
  let position = subscription.after;
  let outage: Outage | undefined;
  let leave: (() => void) | undefined;
  let retry: Timer | undefined;
  let paused = false;
  let over = false;
  let wake: () => void = () => undefined;

  function push(result: ExecutionResult): void {
    buffer.push(result);
    wake();
  }

  function end(error?: MetrlyError): void {
    if (over) return;
    over = true;
    retry?.cancel();
    leave?.();
    if (error !== undefined) buffer.push({ errors: [graphqlErrorOf(error)] });
    wake();
  }

  function connect(): void {
    const startedMs = monotonicMs();
    options.signIdentity().then(
      (identity) => {
        if (!over) leave = subscribe(identity, startedMs);
      },
      (error: unknown) => end(options.unavailable(error)),
    );
  }

  const subscribe = (identity: string, startedMs: number) =>
    socket.subscribe(
      { query: subscription.query, variables: subscription.variables(position), extensions: { identity } },
      {
        next: (payload) => receive(parseAnswer(payload), startedMs),
        error(reason) {
          const errors = parseErrors(reason);
          if (errors === undefined) lost(reason, startedMs);
          else refused(errors, startedMs);
        },
        complete: () => end(),
      },
    );

  function receive(answer: ExecutionResult<Record<string, unknown>>, startedMs: number): void {
    const { data, errors } = answer;
    if ((data === undefined || data === null) && errors?.every(isPassing)) {
      refused(errors, startedMs);
      return;
    }
    if (data !== undefined && data !== null) position = subscription.takeCursor(data) ?? position;
    outage = undefined;
    push(answer);
    if (buffer.length >= MAX_BUFFERED) pause();
  }

  function refused(errors: readonly GraphQLError[], startedMs: number): void {
    leave?.();
    if (errors.every(isPassing) && (position !== undefined || errors.some(isAboutIdentity))) {
      lost(new AggregateError(errors, errors.map(({ message }) => message).join("; ")), startedMs);
    } else {
      push({ errors });
      end();
    }
  }

  function pause(): void {
    leave?.();
    if (position === undefined) end(options.unavailable(new Error("a client reads too slowly")));
    else paused = true;
  }

  function lost(reason: unknown, startedMs: number): void {
    const error = options.unavailable(reason);
    const nowMs = monotonicMs();
    if (outage === undefined || nowMs - startedMs > STABLE_MS) outage = { sinceMs: nowMs, attempts: 0 };
    if (position === undefined || nowMs - outage.sinceMs > options.giveUpMs) {
      end(error);
      return;
    }
    outage.attempts += 1;
    retry = after(backoffMs(BACKOFF, outage.attempts), connect);
  }

  connect();
  return {
    async next() {
      for (;;) {
        const value = buffer.shift();
        if (value !== undefined) return { done: false, value };
        if (over) return { done: true, value: undefined };
        if (paused) {
          paused = false;
          connect();
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async return() {
      buffer.length = 0;
      end();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
