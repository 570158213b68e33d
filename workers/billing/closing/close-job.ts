/** The queue only says who has something to close; what that is, the database knows. */
export interface CloseJob {
  readonly tenantId: string;
}

export const closeJobId = (tenantId: string, periodStart: number): string => `close-${tenantId}-${periodStart}`;
