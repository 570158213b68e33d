import type { FastifyInstance } from "fastify";
import type { IdentityTokens } from "#platform/auth/identity.js";
import { BILLING_REBUILD_PATH, operatorIdentity } from "#platform/auth/internal-api.js";
import { sendSteps } from "#platform/http/ndjson-stream.js";
import { type RebuildOptions, rebuild } from "../rebuild/rebuild.js";

export interface RebuildRouteOptions extends RebuildOptions {
  readonly identityTokens: IdentityTokens;
}

/** `POST` with `tenantId` (absent: everything) and `check=true`: streams steps as JSON lines; for operators. */
export function registerRebuild(app: FastifyInstance, options: RebuildRouteOptions): void {
  app.post(BILLING_REBUILD_PATH, async (request, reply) => {
    await operatorIdentity(options.identityTokens, request.headers, "billing");
    const { searchParams } = new URL(request.url, "http://localhost");
    const tenantId = searchParams.get("tenantId") ?? undefined;
    return sendSteps(reply, rebuild(options, { tenantId, checkOnly: searchParams.get("check") === "true" }));
  });
}
