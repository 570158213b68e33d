import { nearestName } from "#platform/graphql/suggestion.js";

/** Every setting of Metrly: the names of .env.example. */
export const SETTINGS: readonly string[] = [
  "METRLY_HOST",
  "METRLY_PORT",
  "METRLY_LOG_LEVEL",
  "METRLY_LOG_FORMAT",
  "METRLY_KAFKA_BROKERS",
  "METRLY_KAFKA_REPLICATION_FACTOR",
  "METRLY_REDIS_URL",
  "METRLY_DATABASE_URL",
  "METRLY_QUOTA_REDIS_URLS",
  "METRLY_REDIS_PASSWORD",
  "METRLY_DATABASE_PASSWORD",
  "METRLY_KAFKA_SASL",
  "METRLY_KAFKA_USERNAME",
  "METRLY_KAFKA_PASSWORD",
  "METRLY_KAFKA_TLS",
  "METRLY_NAMESPACE",
  "METRLY_PARTITIONS",
  "METRLY_TICK_SECONDS",
  "METRLY_MAX_DIMENSION_VALUES",
  "METRLY_USAGE_ENCODING",
  "METRLY_MAX_BACKLOG_MIB",
  "METRLY_QUOTA_MAX_COMBINATIONS",
  "METRLY_QUOTA_MAX_KEYS",
  "METRLY_WEBHOOK_ALLOW_HOSTS",
  "METRLY_TRUSTED_PROXIES",
  "METRLY_SMTP_URL",
  "METRLY_MAIL_FROM",
  "METRLY_SELLER_NAME",
  "METRLY_SELLER_ADDRESS",
  "METRLY_PERSISTED_OPERATIONS",
  "METRLY_OIDC_ISSUER",
  "METRLY_OIDC_AUDIENCE",
  "METRLY_OIDC_ROLES",
  "METRLY_OIDC_ROLES_CLAIM",
  "METRLY_OIDC_TENANT_CLAIM",
  "METRLY_INTERNAL_SECRET",
  "METRLY_TENANCY_DATABASE_URL",
  "METRLY_INGESTION_DATABASE_URL",
  "METRLY_QUOTA_DATABASE_URL",
  "METRLY_BILLING_DATABASE_URL",
  "METRLY_NOTIFICATION_DATABASE_URL",
  "METRLY_METRICS_PORT",
  "METRLY_DATA_DIR",
  "METRLY_MIN_FREE_DISK_MIB",
  "METRLY_DEMO",
  "METRLY_INTERNAL_SECRET_FILE",
  "METRLY_DATABASE_PASSWORD_FILE",
  "METRLY_REDIS_PASSWORD_FILE",
  "METRLY_KAFKA_PASSWORD_FILE",
  "METRLY_TENANCY_URL",
  "METRLY_INGESTION_URL",
  "METRLY_QUOTA_URL",
  "METRLY_BILLING_URL",
  "METRLY_NOTIFICATION_URL",
];

/** What the command line and programs beside a server are given, in the same environment. */
export const OF_CLIENTS: ReadonlySet<string> = new Set(["METRLY_URL", "METRLY_TOKEN", "METRLY_KEY", "METRLY_API_KEY"]);

/** Of Metrly's own tests, and those that Kubernetes sets in each container for a Service named metrly. */
const OF_OTHERS = /^METRLY_(?:TEST_|FAULTS_|SERVICE_(?:HOST|PORT)(?:_|$)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_|$))/;

const PREFIX = "METRLY_";

/** What follows the prefix is compared: all names have that in common. */
const NAMES = SETTINGS.map((name) => name.slice(PREFIX.length));

/**
 * A sentence for each variable METRLY_… that is no setting, with the setting that may be meant. Values are not repeated: one may be
 * a secret.
 */
export function unknownSettings(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const unknown = Object.keys(env).filter(
    (name) => /^METRLY_/i.test(name) && !SETTINGS.includes(name) && !OF_CLIENTS.has(name) && !OF_OTHERS.test(name),
  );
  return unknown.sort().map((name) => {
    const nearest = nearestName(name.slice(PREFIX.length), NAMES);
    const advice = nearest === undefined ? ".env.example lists all settings" : `did you mean ${PREFIX}${nearest}?`;
    return `${name} is no setting and has no effect: ${advice}`;
  });
}
