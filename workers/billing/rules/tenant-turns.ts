/** Limits of work that is done a few tenants at a time, one turn per tenant. */
export interface TurnLimits {
  /** Turns of all tenants. */
  readonly atOnce: number;
  /** Waiting for a turn: more are refused. */
  readonly waitingPerTenant: number;
  readonly waiting: number;
}

export interface TenantTurns {
  /** Resolves when the tenant's turn starts; undefined: too many wait. */
  take(tenantId: string): Promise<void> | undefined;
  /** Ends the tenant's turn. */
  end(tenantId: string): void;
}

/** A tenant has at most one turn; turns go round the tenants that wait, so that none waits for all of another's. */
export function createTenantTurns(limits: TurnLimits): TenantTurns {
  const running = new Set<string>();
  // A Map keeps insertion order: a tenant that was served goes to the end.
  const lines = new Map<string, (() => void)[]>();
  let waiting = 0;

  function startNext(): void {
    while (running.size < limits.atOnce) {
      const next = [...lines].find(([tenantId]) => !running.has(tenantId));
      if (next === undefined) return;
      const [tenantId, line] = next;
      const start = line.shift();
      lines.delete(tenantId);
      if (line.length > 0) lines.set(tenantId, line);
      waiting -= 1;
      running.add(tenantId);
      start?.();
    }
  }

  return {
    take(tenantId) {
      const line = lines.get(tenantId) ?? [];
      const isImmediate = !running.has(tenantId) && running.size < limits.atOnce;
      if (!isImmediate && (line.length >= limits.waitingPerTenant || waiting >= limits.waiting)) return undefined;
      return new Promise<void>((resolve) => {
        line.push(resolve);
        lines.set(tenantId, line);
        waiting += 1;
        startNext();
      });
    },
    end(tenantId) {
      running.delete(tenantId);
      startNext();
    },
  };
}
