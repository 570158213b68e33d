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
/** Combinations that one step of upkeep forgets. */
const FORGOTTEN_AT_ONCE = 500;

/**
 * The replicas of the tenants that this process is asked about. They are only a cache: idle ones are dropped, after the store has
 * forgotten the tenants' combinations, which would stay there for as long as the tenants do.
 */
export function createReplicas(options: ReplicasOptions) {
  const replicas = new Map<string, Replica>();
  const turns = createTurns(options);
  const keptUp = new WeakSet<Replica>();
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
      if (keptUp.has(replica) || !replica.hasCombinations()) replicas.delete(replica.tenantId);
      else void keepUp(replica);
    }
  }
  /** Where the store does not answer, a process that comes back to the tenant does it. */
  async function keepUp(replica: Replica): Promise<void> {
    keptUp.add(replica);
    const step: Step<boolean> = {
      ...{ at: null, work: 1, isUpkeep: true },
      run: (tenant, now) => tenant.state()?.forgetIdle(now, FORGOTTEN_AT_ONCE) ?? false,
    };
    for (let isLeft = true; isLeft; ) {
      const running = replica.run(step);
      turns.join(replica);
      isLeft = await running.catch(() => false);
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
      keptUp.delete(replica);
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
