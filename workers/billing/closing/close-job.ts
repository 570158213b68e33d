/** A job only names a tenant with something to close; the database has the details. */
export interface CloseJob {
  readonly tenantId: string;
}

export const closeJobId = (tenantId: string, periodStart: number): string => `close-${tenantId}-${periodStart}`;
