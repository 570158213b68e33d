import { MetrlyError } from "#kernel/errors.js";
import { callerOf } from "#platform/auth/identity.js";
import { createFairTurns, type TurnLimits } from "#platform/lifecycle/fair-turns.js";
import { createProcessorTurns } from "#platform/lifecycle/processor-turns.js";
import { graphqlErrorOf } from "../operations/client-error.js";
import { bytesOfOperation } from "../operations/held-bytes.js";
import { endOf } from "../operations/left-clients.js";
import type { GatewayContext } from "../operations/operation.js";
import type { Federation } from "./federation.js";

/** As many of one caller as a service's pool has connections: others' operations wait for few of a busy caller's. */
const LIMITS: TurnLimits = {
  ...{ atOnce: 64, perCaller: 8 },
  ...{ waitingPerCaller: 200, waiting: 1_000 },
  ...{ waitingBytesPerCaller: 16 << 20, waitingBytes: 64 << 20 },
};

/** One begins in each turn of the event loop: one that needs nothing from elsewhere ends in it, too, and lets the next one begin. */
const BYTES = 16 << 10;
/** An operation may take tens of milliseconds: new connections must not wait for one each. */
const RESTS = 16;

/**
 * The federation with queries and mutations in turns: a caller, which is a tenant or a caller of the platform, runs a few at
 * once, and turns go round the callers. Refuses with BUSY when too many wait, or those that wait hold too much memory. Connections
 * and other requests go between them. A query whose client leaves gives up its place.
 */
export function inTurns(federation: Federation, limits: TurnLimits = LIMITS): Federation {
  const turns = createFairTurns(limits);
  const processor = createProcessorTurns({ rests: RESTS, hasOthers: () => false });
  return {
    ...federation,
    async execute(args) {
      const caller = callerOf((args.contextValue as GatewayContext).identity);
      try {
        const turn = turns.take(caller, () => bytesOfOperation(args), endOf(args));
        if (turn === undefined) throw new MetrlyError("BUSY", "Too many operations wait; try again later");
        await turn;
      } catch (error) {
        if (error instanceof MetrlyError) return { errors: [graphqlErrorOf(error)] };
        throw error;
      }
      try {
        await processor.take(caller, BYTES);
        return await federation.execute(args);
      } finally {
        turns.end(caller);
      }
    },
  };
}
