import { isJsonObject } from "#kernel/json.js";
import { createIdentityTokens, serviceIdentity } from "#platform/auth/identity.js";
import { IDENTITY_HEADER } from "#platform/auth/internal-api.js";
import { type Config, type Env, parseConfig } from "#platform/process/config.js";
import { findInternalSecret } from "#platform/process/internal-secret.js";
import type { ServiceName } from "#platform/process/services.js";
import { startAsTyped } from "../as-typed.js";
import { assertDataDir, assertHttpUrl, localUrl } from "./address.js";
import { UserError } from "./failure.js";

/** Calls a service with the installation's internal secret, so it runs where the services run. */
export interface ServiceConnection {
  post(path: string, params: Readonly<Record<string, string | number>>): Promise<Response>;
}

/** Embedded, one address has all services. */
export const noResponse = (origin: string, service: ServiceName): string =>
  `No response from ${origin}. Is Metrly running? Start it with ${startAsTyped()}, or pass --url with the address of ${service} itself.`;

/** The given `url`, or the service's own, or the Metrly of the data directory. */
export async function connectToService(
  service: ServiceName,
  url: string | undefined,
  env: Env,
): Promise<ServiceConnection> {
  const config: Config = parseConfig(env);
  const base = url ?? config.serviceUrls[service] ?? (await localUrl(config, env, false));
  assertHttpUrl(base);
  if (config.internalSecret === undefined) assertDataDir(config.dataDir);
  const tokens = createIdentityTokens(await findInternalSecret(config));
  return {
    async post(path, params) {
      const target = new URL(path, base);
      for (const [name, value] of Object.entries(params)) target.searchParams.set(name, String(value));
      const token = await tokens.sign(serviceIdentity("cli"), service);
      const response = await fetch(target, { method: "POST", headers: { [IDENTITY_HEADER]: token } }).catch(() => {
        throw new UserError(noResponse(target.origin, service));
      });
      if (response.ok) return response;
      const problem: unknown = await response.json().catch(() => undefined);
      const { code, detail } = isJsonObject(problem) ? problem : {};
      throw new UserError(
        `${code ?? response.status}: ${detail ?? "refused"}`,
        typeof code === "string" ? code : undefined,
      );
    },
  };
}
