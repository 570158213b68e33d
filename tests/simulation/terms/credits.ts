/** What a treasurer asks of credits, and what became of it. Amounts are in cents. */

export interface GrantRequest {
  readonly tenantId: string;
  readonly id: string;
  readonly cents: number;
  readonly priority: number;
  readonly expiresAt: number | null;
}

/** Reject with an error that has a code. */
export type Grant = (request: GrantRequest) => Promise<void>;
export type VoidGrant = (tenantId: string, id: string) => Promise<void>;

export const REASON = "prepaid";

/** By tenant and grant. */
export const grantKeyOf = ({ tenantId, id }: Pick<GrantRequest, "tenantId" | "id">): string => `${tenantId} ${id}`;

export interface CreditHistory {
  /** All that was asked for, by grant. */
  readonly asked: Map<string, GrantRequest[]>;
  /** Answered: the grant is in every balance. */
  readonly granted: GrantRequest[];
  /** Answered: another grant has its id. */
  readonly refused: GrantRequest[];
  /** By grant: voids that were asked for, and whether one was answered. */
  readonly voids: Map<string, boolean>;
}

export const createCreditHistory = (): CreditHistory => ({
  asked: new Map(),
  granted: [],
  refused: [],
  voids: new Map(),
});
