/** Stands for the operators wherever the rows of this room name the tenant of an endpoint. No tenant's id is empty. */
export const OPERATORS = "";

/** The tenant of an endpoint as others are told it; null: it is an operator's. */
export const toldTenant = (tenantId: string): string | null => (tenantId === OPERATORS ? null : tenantId);
