import type { Decision, Quota } from "./quota.js";

/** What a request to your service asks of a quota. Each may depend on the request. */
export interface GuardOptions<Request> {
  readonly meter?: string;
  readonly amount?: (request: Request) => string | number;
  /** With a platform key: whose quota. */
  readonly tenantId?: (request: Request) => string;
  /**
   * Default: a random one. Record the usage under it. What a client sends can be taken, but only if you trust it to send another
   * each time: the same key is charged once.
   */
  readonly idempotencyKey?: (request: Request) => string;
}

/** What was decided about a request, for its handler. */
export interface Guarded {
  readonly decision: Decision;
  readonly idempotencyKey: string;
}

export async function guard<Request>(
  quota: Quota,
  request: Request,
  { meter, amount, tenantId, idempotencyKey }: GuardOptions<Request>,
): Promise<Guarded> {
  const key = idempotencyKey?.(request) ?? crypto.randomUUID();
  const decision = await quota.consume({
    idempotencyKey: key,
    ...(meter !== undefined && { meter }),
    ...(amount !== undefined && { amount: amount(request) }),
    ...(tenantId !== undefined && { tenantId: tenantId(request) }),
  });
  return { decision, idempotencyKey: key };
}

/** The body of a denial: a problem document. */
export const denial = ({ reason, limits }: Decision) => ({
  type: "urn:metrly:error:QUOTA_EXCEEDED",
  title: "Too Many Requests",
  status: 429,
  code: "QUOTA_EXCEEDED",
  reason,
  limits,
});
