import type { Decision, MeterUsage, Quota } from "./quota.js";

/** The quota of a request to your service. Each option may depend on the request. */
export interface GuardOptions<Request> {
  readonly meter?: string;
  readonly amount?: (request: Request) => string | number;
  /** Instead of `meter` and `amount`: quantities of several meters, reserved together or not at all. */
  readonly usage?: (request: Request) => readonly MeterUsage[];
  /** Values of the usage's dimensions; required are those that limits of the tenant's plan count by. */
  readonly dimensions?: (request: Request) => Readonly<Record<string, string>>;
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
  { meter, amount, usage, dimensions, tenantId, idempotencyKey }: GuardOptions<Request>,
): Promise<Guarded> {
  const key = idempotencyKey?.(request) ?? crypto.randomUUID();
  const decision = await quota.consume({
    idempotencyKey: key,
    ...(meter !== undefined && { meter }),
    ...(amount !== undefined && { amount: amount(request) }),
    ...(usage !== undefined && { usage: usage(request) }),
    ...(dimensions !== undefined && { dimensions: dimensions(request) }),
    ...(tenantId !== undefined && { tenantId: tenantId(request) }),
  });
  return { decision, idempotencyKey: key };
}

/** Releases the reservation of a request that failed with 5xx; if the release fails, the reservation expires. */
export function releaseIfFailed<Request>(
  quota: Quota,
  request: Request,
  { tenantId }: GuardOptions<Request>,
  { idempotencyKey }: Guarded,
  status: number,
): void {
  if (status < 500) return;
  quota
    .release({ idempotencyKey, ...(tenantId !== undefined && { tenantId: tenantId(request) }) })
    .catch(() => undefined);
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
