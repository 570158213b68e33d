import type { FastifyInstance } from "fastify";
import { MetrlyError } from "#kernel/errors.js";
import type { IdentityTokens } from "#platform/auth/identity.js";
import { operatorIdentity, QUOTA_RECONCILE_PATH } from "#platform/auth/internal-api.js";
import { sendSteps } from "#platform/http/ndjson-stream.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import { type ReconcileOptions, type ReconcileStep, reconcileTenant } from "../reconciliation/reconcile-tenant.js";

export interface ReconcileRouteOptions extends ReconcileOptions {
  readonly identityTokens: IdentityTokens;
  readonly tenancy: TenancyCopy;
}

/** `POST` with `tenantId` (absent: every tenant) and `repair=true`: streams steps as JSON lines; for operators. */
export function registerReconciliation(app: FastifyInstance, options: ReconcileRouteOptions): void {
  app.post(QUOTA_RECONCILE_PATH, async (request, reply) => {
    await operatorIdentity(options.identityTokens, request.headers, "quota");
    const { searchParams } = new URL(request.url, "http://localhost");
    const tenantId = searchParams.get("tenantId");
    if (tenantId !== null && options.tenancy.tenant(tenantId) === undefined)
      throw new MetrlyError("NOT_FOUND", "The tenant does not exist");
    const tenantIds = tenantId === null ? [...options.tenancy.tenants()].map(({ id }) => id) : [tenantId];
    return sendSteps(reply, reconcileAll(options, tenantIds, searchParams.get("repair") === "true"));
  });
}

async function* reconcileAll(
  options: ReconcileOptions,
  tenantIds: readonly string[],
  repair: boolean,
): AsyncGenerator<ReconcileStep> {
  for (const tenantId of tenantIds) yield* reconcileTenant(options, tenantId, repair);
}
