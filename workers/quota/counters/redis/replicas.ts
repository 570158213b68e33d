import { every, monotonicMs } from "#platform/lifecycle/time.js";
import { createReplica, type Replica, type Step, type TenantKeys } from "./replica.js";
import type { RedisServer } from "./server.js";
import { createTurns } from "./turns.js";

export interface ReplicasOptions {
  readonly server: RedisServer;
  readonly keysOf: (tenantId: string) => TenantKeys;
  readonly together?: ((tenantId: string) => number) | undefined;
  /** Called when this process changed the state of a tenant that has bounds. */
  readonly onBounded: (tenantId: string) => void;
}

const IDLE_MS = 600_000;
const SWEEP_EVERY_MS = 5_000;
/** Replicas looked at in one sweep. */
const SWEPT = 2_000;

/** The replicas of the tenants that this process is asked about. They are only a cache: idle ones are dropped. */
export function createReplicas(options: ReplicasOptions) {
  const replicas = new Map<string, Replica>();
  const turns = createTurns(options);
  let swept = replicas.values();

  function sweep(): void {
    const before = monotonicMs() - IDLE_MS;
    for (let left = SWEPT; left > 0; left -= 1) {
      const next = swept.next();
      if (next.done === true) {
        swept = replicas.values();
        return;
      }
      const replica = next.value;
      if (replica.usedAt() > before || replica.isWaiting() || turns.isBusy(replica)) continue;
      replicas.delete(replica.tenantId);
    }
  }
  const sweeping = every(SWEEP_EVERY_MS, sweep, { unref: true });

  return {
    /** Runs a step on the tenant's state; resolves when what it changed is stored. */
    run<T>(tenantId: string, step: Step<T>): Promise<T> {
      let replica = replicas.get(tenantId);
      if (replica === undefined) {
        replica = createReplica(tenantId, options.keysOf(tenantId));
        replicas.set(tenantId, replica);
      }
      const result = replica.run(step);
      turns.join(replica);
      return result;
    },
    /**
     * When the tenant's bounds may be lowered, if this process's copy says that they cannot be now, which another process may
     * know better: then it looks at them itself. Undefined: look at the state.
     */
    lowersAgainAt: (tenantId: string, now: number): number | undefined => replicas.get(tenantId)?.lowersAgainAt(now),
    hasOwnClock: (tenantId: string): boolean => replicas.get(tenantId)?.hasOwnClock() ?? false,
    /** What waits is rejected with this error. */
    stop(error: Error): void {
      sweeping.cancel();
      turns.stop(error);
    },
  };
}
