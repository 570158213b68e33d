import type { Config } from "#platform/process/config.js";
import { ConfigError } from "#platform/process/config-error.js";
import { SERVICES, type ServiceName } from "#platform/process/services.js";
/** The composition of one process: the whole system, one service, or the gateway. */
export type ProcessRole = "all" | "gateway" | ServiceName;

type Role = Exclude<ProcessRole, "all">;

/** Required settings of a separate role, where nothing is embedded. Throws one `ConfigError` that names all missing ones. */
export function assertRoleConfigured(role: Role, config: Config): void {
  const missing: string[] = [];
  const need = (present: boolean, variable: string) => {
    if (!present) missing.push(variable);
  };
  need(config.kafkaBrokers.length > 0, "METRLY_KAFKA_BROKERS");
  need(config.internalSecret !== undefined, "METRLY_INTERNAL_SECRET or METRLY_INTERNAL_SECRET_FILE");
  if (role === "gateway") {
    for (const service of SERVICES)
      need(config.serviceUrls[service] !== undefined, `METRLY_${service.toUpperCase()}_URL`);
  } else {
    need(config.databaseUrl !== undefined, "METRLY_DATABASE_URL");
  }
  if (role === "billing" || role === "quota") need(config.serviceUrls.ingestion !== undefined, "METRLY_INGESTION_URL");
  if (role === "billing" || role === "quota" || role === "notification")
    need(config.redisUrl !== undefined, "METRLY_REDIS_URL");
  if (missing.length > 0) throw new ConfigError(`metrly serve ${role} needs ${missing.join(", ")} (see .env.example).`);
}
