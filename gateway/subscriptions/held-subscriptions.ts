import type { ExecutionArgs, ExecutionResult, GraphQLError } from "graphql";
import { MetrlyError } from "#kernel/errors.js";
import { callerOf } from "#platform/auth/identity.js";
import { createShares, type ShareLimits, type ShareRefusal } from "#platform/lifecycle/shares.js";
import { isStream } from "../federation/subgraph.js";
import { graphqlErrorOf } from "../operations/client-error.js";
import { bytesOfOperation } from "../operations/held-bytes.js";
import type { GatewayContext } from "../operations/operation.js";

/** What all open subscriptions hold: a busy caller's share, and room for those who come after it. */
const LIMITS: ShareLimits = { shared: 48 << 20, max: 128 << 20 };
/** Of one subscription besides its text and variables: its entries at the socket, in its group and in the remote socket. */
const BASE_BYTES = 4_096;

/** A client may ask for thousands at once, and gets each refused. */
const REFUSALS: Readonly<Record<ShareRefusal, GraphQLError>> = {
  full: graphqlErrorOf(new MetrlyError("BUSY", "Too many subscriptions are open; try again later")),
  "over share": graphqlErrorOf(
    new MetrlyError("RATE_LIMITED", "The open subscriptions of this tenant hold too much memory: close some"),
  ),
};

export interface HeldSubscriptionsOptions<Stream> {
  readonly subscribe: (args: ExecutionArgs) => Promise<Stream | ExecutionResult>;
  /** Whether the document of an operation is held for others too. */
  readonly isKept: (args: ExecutionArgs) => boolean;
  readonly limits?: ShareLimits;
}

/**
 * Bounds the memory of open subscriptions, which live as long as their clients like: a caller, which is a tenant or a caller of
 * the platform, holds its share when all hold much. More are answered with RATE_LIMITED, or BUSY if there is no other caller.
 */
export function boundSubscriptions<Stream extends AsyncIterable<unknown>>({
  subscribe,
  isKept,
  limits = LIMITS,
}: HeldSubscriptionsOptions<Stream>): (args: ExecutionArgs) => Promise<Stream | ExecutionResult> {
  const shares = createShares(limits);
  return async (args) => {
    const caller = callerOf((args.contextValue as GatewayContext).identity);
    const bytes = BASE_BYTES + bytesOfOperation(args, isKept(args));
    const refusal = shares.refusal(caller, 1, bytes);
    if (refusal !== undefined) return { errors: [REFUSALS[refusal]] };
    let isHeld = true;
    shares.hold(caller, 1, bytes);
    const release = () => {
      if (isHeld) shares.hold(caller, 1, -bytes);
      isHeld = false;
    };
    try {
      const answer = await subscribe(args);
      if (isStream(answer)) return released(answer as Stream, release);
      release();
      return answer;
    } catch (error) {
      release();
      throw error;
    }
  };
}

/** The same stream, which calls `over` once it ends or is left. */
function released<Stream extends AsyncIterable<unknown>>(stream: Stream, over: () => void): Stream {
  const iterator = stream[Symbol.asyncIterator]();
  const same: AsyncIterableIterator<unknown> = {
    ...stream,
    async next() {
      try {
        const result = await iterator.next();
        if (result.done === true) over();
        return result;
      } catch (error) {
        over();
        throw error;
      }
    },
    async return() {
      over();
      return (await iterator.return?.()) ?? { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => same,
  };
  return same as unknown as Stream;
}
