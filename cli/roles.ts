import type { KeyThrottle } from "#platform/auth/key-throttle.js";
import type { Service, ServiceContext } from "#platform/process/service.js";
import type { ServiceName } from "#platform/process/services.js";
import type { TenancyLease } from "#platform/tenancy-client/lease.js";

type StartService = (context: ServiceContext) => Promise<Service>;

/**
 * The composition root of each role, loaded on demand. The only file that knows all services; services never know each other.
 */
export const ROLES: Readonly<Record<ServiceName, () => Promise<StartService>>> = {
  tenancy: async () => (await import("../workers/tenancy/main.js")).startTenancy,
  ingestion: async () => (await import("../workers/ingestion/main.js")).startIngestion,
  quota: async () => (await import("../workers/quota/main.js")).startQuota,
  billing: async () => (await import("../workers/billing/main.js")).startBilling,
  notification: async () => (await import("../workers/notification/main.js")).startNotification,
};

type StartGateway = typeof import("../gateway/main.js").startGateway;
export type SubgraphTarget = Parameters<StartGateway>[0]["subgraphs"][number];

/** Inputs of the gateway beyond those of every service. */
export interface GatewayContext extends ServiceContext {
  readonly throttle: KeyThrottle;
  readonly lease: TenancyLease | undefined;
}

export async function loadGatewayRole() {
  const { startGateway } = await import("../gateway/main.js");
  const { createTokenIssuer } = await import("../gateway/auth/token-issuer.js");
  return { startGateway, createTokenIssuer };
}

export async function startGatewayRole(
  context: GatewayContext,
  subgraphs: readonly SubgraphTarget[],
): Promise<Service> {
  const { startGateway, createTokenIssuer } = await loadGatewayRole();
  return startGateway({
    ...context,
    subgraphs,
    issuer: await createTokenIssuer(context.config.dataDir, context.clock),
  });
}

export async function openTokenKeys(dataDir: string) {
  const { openKeyRing } = await import("../gateway/auth/signing-key.js");
  const { keyFolder } = await import("../gateway/auth/token-issuer.js");
  return openKeyRing(keyFolder(dataDir));
}

/** Replaces the command's own token when it is no longer valid. */
export async function renewAdminToken(dataDir: string): Promise<void> {
  const { createTokenIssuer } = await import("../gateway/auth/token-issuer.js");
  await createTokenIssuer(dataDir);
}
