/**
 * Wraps work of tenants so that a tenant occupies one worker of this process at a time. A call for a tenant whose work runs
 * returns at once, and the running one does the work once more.
 */
export function onePerTenant(work: (tenantId: string) => Promise<void>): (tenantId: string) => Promise<void> {
  /** Running, and whether to run again. */
  const running = new Map<string, boolean>();
  return async (tenantId) => {
    if (running.has(tenantId)) {
      running.set(tenantId, true);
      return;
    }
    try {
      do {
        running.set(tenantId, false);
        await work(tenantId);
      } while (running.get(tenantId) === true);
    } finally {
      running.delete(tenantId);
    }
  };
}
