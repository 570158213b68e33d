import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { MetrlyError } from "#kernel/errors.js";
import type { IdentityTokens } from "#platform/identity.js";
import { operatorIdentity, QUOTA_RECONCILE_PATH } from "#platform/internal-api.js";
import type { TenancyCopy } from "#platform/tenancy-copy.js";
import { type ReconcileOptions, type ReconcileStep, reconcileTenant } from "./reconcile-tenant.js";

export interface ReconcileRouteOptions extends ReconcileOptions {
  readonly identityTokens: IdentityTokens;
  readonly tenancy: TenancyCopy;
}

/** `POST` with `tenantId` (none: every tenant) and `repair=true`: answers steps as JSON lines while it works; for operators. */
export function registerReconciliation(app: FastifyInstance, options: ReconcileRouteOptions): void {
  app.post(QUOTA_RECONCILE_PATH, async (request, reply) => {
    await operatorIdentity(options.identityTokens, request.headers, "quota");
    const { searchParams } = new URL(request.url, "http://localhost");
    const tenantId = searchParams.get("tenantId");
    if (tenantId !== null && options.tenancy.tenant(tenantId) === undefined)
      throw new MetrlyError("NOT_FOUND", "There is no such tenant");
    const tenantIds = tenantId === null ? [...options.tenancy.tenants()].map(({ id }) => id) : [tenantId];
    const steps = reconcileAll(options, tenantIds, searchParams.get("repair") === "true");
    const lines = linesOf(steps, (error) => request.log.error({ err: error }, "reconciliation failed"));
    return reply.type("application/x-ndjson").send(Readable.from(lines));
  });
}

async function* reconcileAll(
  options: ReconcileOptions,
  tenantIds: readonly string[],
  repair: boolean,
): AsyncGenerator<ReconcileStep> {
  for (const tenantId of tenantIds) yield* reconcileTenant(options, tenantId, repair);
}

/** An error in the middle is the last line: the status has been sent by then. */
async function* linesOf(steps: AsyncIterable<ReconcileStep>, onBug: (error: unknown) => void): AsyncGenerator<string> {
  try {
    for await (const step of steps) yield `${JSON.stringify(step)}\n`;
  } catch (error) {
    if (!(error instanceof MetrlyError)) onBug(error);
    const known =
      error instanceof MetrlyError ? error : new MetrlyError("INTERNAL", "Something went wrong on our side");
    yield `${JSON.stringify({ kind: "failed", code: known.code, detail: known.message })}\n`;
  }
}
