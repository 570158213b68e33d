import type { Decision, Quota } from "./quota.js";

/** The quota of a request to your service. Each option may depend on the request. */
export interface GuardOptions<Request> {
  readonly meter?: string;
  readonly amount?: (request: Request) => string | number;
  /** The tenant; required with a platform key. */
  readonly tenantId?: (request: Request) => string;
  /**
   * Default: a random one. Use it as the id of the usage event. Accept a client's own key only if you trust the client to
   * use a new one each time: the same key is charged once.
   */
  readonly idempotencyKey?: (request: Request) => string;
}

/** The decision about a request, for its handler. */
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
