import { isIP } from "node:net";
import path from "node:path";
import ipaddr from "ipaddr.js";
import { type PartyText, partyProblems } from "#schema/party.js";
import { ROLES, type Role } from "#schema/vocabulary.js";
import { ConfigError } from "./config-error.js";
import { KAFKA_SASL, type KafkaAccess, type ReadFile, readText, withPassword, withSecretFiles } from "./credentials.js";
import type { ServiceName } from "./services.js";

/** All settings, parsed once. Secrets never appear in messages. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number;
  readonly dataDir: string;
  readonly demo: boolean;
  readonly logLevel: LogLevel;
  /** `auto`: text where a person watches, JSON lines elsewhere. */
  readonly logFormat: "auto" | "json";
  /** Empty: the embedded log on PostgreSQL. */
  readonly kafkaBrokers: readonly string[];
  readonly kafkaReplicationFactor: number;
  readonly kafkaAccess: KafkaAccess;
  /** Undefined: counters in memory and queues on PostgreSQL. */
  readonly redisUrl: string | undefined;
  /** Redis nodes for quota's counters, or `redisUrl`. Empty: in memory. */
  readonly quotaRedisUrls: readonly string[];
  /** A PostgreSQL server (any database of it); undefined: an embedded one in the data directory. */
  readonly databaseUrl: string | undefined;
  /** Separates several installations on the same servers: part of database, topic, queue and counter names. */
  readonly namespace: string;
  /** Partitions of every topic keyed by tenant; fixed when the topics are created. */
  readonly partitions: number;
  /** Interval at which each recorder appends a tick to its partitions, ms. */
  readonly tickIntervalMs: number;
  /** Maximum combinations of dimension values per tenant and meter in one billing period. */
  readonly maxDimensionValues: number;
  /** Usage that may wait in the log to be recorded, bytes: beyond it the edge refuses more. */
  readonly maxBacklogBytes: number;
  /** What must be free on the disk of the embedded database's log, bytes. */
  readonly minFreeDiskBytes: number;
  /** How usage is written: in columns once every process reads them, or as text, which older processes read. */
  readonly usageEncoding: "columns" | "text";
  /** Maximum idempotency keys per tenant that quota keeps at a time. */
  readonly quotaMaxKeys: number;
  /** Combinations of dimension values that a tenant may have under one limit; ingestion takes at least as many of a meter. */
  readonly quotaMaxCombinations: number;
  /** Private hosts (names, addresses or CIDR blocks) that webhooks may reach. */
  readonly webhookAllowHosts: readonly string[];
  /** Addresses or CIDR blocks of proxies whose `X-Forwarded-For` counts. */
  readonly trustedProxies: readonly string[];
  /** Whether webhooks may go to loopback: embedded mode only. */
  readonly webhookAllowLoopback: boolean;
  /** The mail server, with credentials; undefined: no mail is sent. */
  readonly smtpUrl: string | undefined;
  readonly mailFrom: string | undefined;
  /** The seller on invoices; null: none. */
  readonly seller: PartyText | null;
  /** A file of persisted operations, the only ones the graph executes; undefined: any. */
  readonly persistedOperationsFile: string | undefined;
  /** An OpenID Connect provider whose tokens are accepted beside our own; undefined: none. */
  readonly oidc: OidcConfig | undefined;
  /** Signs identities and internal calls between services. */
  readonly internalSecret: string | undefined;
  /** Addresses of the other roles, when each runs in a separate process. */
  readonly serviceUrls: Readonly<Record<ServiceName, string | undefined>>;
}

export interface OidcConfig {
  readonly issuer: string;
  /** The required audience of its tokens. */
  readonly audience: string;
  /** The claim whose values `roles` maps, by name or path. */
  readonly rolesClaim: string;
  readonly tenantClaim: string;
  readonly roles: readonly RoleMapping[];
}

/** The role of a claim value: in the token's tenant, or in all. */
export interface RoleMapping {
  readonly value: string;
  readonly role: Role;
  readonly everywhere: boolean;
}

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Env = Readonly<Record<string, string | undefined>>;

const MIB = 2 ** 20;

/** Parses the environment and reads the files of its secrets. Throws one `ConfigError` that names every invalid variable. */
export function parseConfig(given: Env, readFile: ReadFile = readText): Config {
  const problems: string[] = [];
  const env = withSecretFiles(given, readFile, problems);
  const read = reader(env, problems);
  const kafkaBrokers = read.places("METRLY_KAFKA_BROKERS");
  const redisUrl = read.url("METRLY_REDIS_URL", REDIS, env.METRLY_REDIS_PASSWORD);
  const quotaRedisUrls = read.urls("METRLY_QUOTA_REDIS_URLS", REDIS, env.METRLY_REDIS_PASSWORD);
  const config: Config = {
    host: read.host("METRLY_HOST", "127.0.0.1"),
    port: read.integer("METRLY_PORT", 4000, 0, MAX_PORT),
    metricsPort: read.integer("METRLY_METRICS_PORT", 9464, 0, MAX_PORT),
    dataDir: path.resolve(env.METRLY_DATA_DIR || ".metrly"),
    demo: read.oneOf("METRLY_DEMO", ["on", "off"], "on") === "on",
    logLevel: read.oneOf("METRLY_LOG_LEVEL", LOG_LEVELS, "info"),
    logFormat: read.oneOf("METRLY_LOG_FORMAT", ["auto", "json"], "auto"),
    kafkaBrokers,
    kafkaReplicationFactor: read.integer("METRLY_KAFKA_REPLICATION_FACTOR", 1, 1, 9),
    kafkaAccess: readKafkaAccess(env, read, problems),
    redisUrl,
    quotaRedisUrls: quotaRedisUrls.length > 0 || redisUrl === undefined ? quotaRedisUrls : [redisUrl],
    databaseUrl: read.url("METRLY_DATABASE_URL", ["postgres:", "postgresql:"], env.METRLY_DATABASE_PASSWORD),
    namespace: read.name("METRLY_NAMESPACE", DEFAULT_NAMESPACE),
    partitions: read.integer("METRLY_PARTITIONS", kafkaBrokers.length > 0 ? 64 : 4, 1, 1024),
    tickIntervalMs: read.integer("METRLY_TICK_SECONDS", 5, 1, 60) * 1000,
    maxDimensionValues: read.integer("METRLY_MAX_DIMENSION_VALUES", 1_000, 1, 100_000),
    maxBacklogBytes: read.integer("METRLY_MAX_BACKLOG_MIB", 10_240, 1, 10_000_000) * MIB,
    minFreeDiskBytes: read.integer("METRLY_MIN_FREE_DISK_MIB", 512, 0, 10_000_000) * MIB,
    usageEncoding: read.oneOf("METRLY_USAGE_ENCODING", ["columns", "text"], "columns"),
    quotaMaxKeys: read.integer("METRLY_QUOTA_MAX_KEYS", 100_000, 1, 1_000_000),
    quotaMaxCombinations: read.integer("METRLY_QUOTA_MAX_COMBINATIONS", 100_000, 1, 1_000_000),
    webhookAllowHosts: read.list("METRLY_WEBHOOK_ALLOW_HOSTS"),
    trustedProxies: read.networks("METRLY_TRUSTED_PROXIES"),
    webhookAllowLoopback: kafkaBrokers.length === 0,
    smtpUrl: read.url("METRLY_SMTP_URL", ["smtp:", "smtps:"]),
    mailFrom: env.METRLY_MAIL_FROM || undefined,
    seller: readSeller(env, problems),
    persistedOperationsFile: env.METRLY_PERSISTED_OPERATIONS || undefined,
    oidc: readOidc(env, read, problems),
    internalSecret: read.secret("METRLY_INTERNAL_SECRET"),
    serviceUrls: {
      tenancy: read.url("METRLY_TENANCY_URL", HTTP),
      ingestion: read.url("METRLY_INGESTION_URL", HTTP),
      quota: read.url("METRLY_QUOTA_URL", HTTP),
      billing: read.url("METRLY_BILLING_URL", HTTP),
      notification: read.url("METRLY_NOTIFICATION_URL", HTTP),
    },
  };
  if (config.smtpUrl !== undefined && config.mailFrom === undefined)
    problems.push("METRLY_MAIL_FROM must name a sender when METRLY_SMTP_URL is set");
  if (problems.length > 0)
    throw new ConfigError(`Invalid configuration:\n${problems.map((p) => `  - ${p}`).join("\n")}`);
  return config;
}

/** The name of a service's own database on a shared server. */
export const databaseName = (config: Config, service: ServiceName | "log" | "jobs"): string =>
  `${config.namespace}_${service}`;

/** With this namespace, topics have exactly the contracts' names. */
export const DEFAULT_NAMESPACE = "metrly";

/** The lines of the address are separated by `|`. */
function readSeller(env: Env, problems: string[]): PartyText | null {
  const name = env.METRLY_SELLER_NAME ?? "";
  const address = env.METRLY_SELLER_ADDRESS ?? "";
  const addressLines = address === "" ? [] : address.split("|").map((line) => line.trim());
  if (name === "") {
    if (address !== "") problems.push("METRLY_SELLER_NAME must be set when METRLY_SELLER_ADDRESS is");
    return null;
  }
  for (const { path: member, detail } of partyProblems({ name, addressLines })) {
    const variable = member === "name" ? "METRLY_SELLER_NAME" : "METRLY_SELLER_ADDRESS";
    problems.push(`${variable}: ${member === "name" ? "" : `${member} `}${detail}`);
  }
  return { name, addressLines };
}

const MAPPING = /^(.+)=([A-Z_]+)(@\*)?$/;

function readOidc(env: Env, read: ReturnType<typeof reader>, problems: string[]): OidcConfig | undefined {
  const issuer = read.url("METRLY_OIDC_ISSUER", HTTP);
  if (issuer === undefined) return undefined;
  const audience = env.METRLY_OIDC_AUDIENCE ?? "";
  if (audience === "") problems.push("METRLY_OIDC_AUDIENCE must be set when METRLY_OIDC_ISSUER is");
  const roles = read.list("METRLY_OIDC_ROLES").flatMap((text): RoleMapping[] => {
    const [, value = "", name, everywhere] = MAPPING.exec(text) ?? [];
    const role = ROLES.find((known) => known === name);
    if (role !== undefined) return [{ value, role, everywhere: everywhere !== undefined || role === "PLATFORM_ADMIN" }];
    problems.push(`METRLY_OIDC_ROLES: "${text}" is not value=ROLE with a role of ${ROLES.join(", ")}`);
    return [];
  });
  if (roles.length === 0) problems.push("METRLY_OIDC_ROLES must map a value to a role when METRLY_OIDC_ISSUER is set");
  const [rolesClaim, tenantClaim] = [
    env.METRLY_OIDC_ROLES_CLAIM || "roles",
    env.METRLY_OIDC_TENANT_CLAIM || "tenant_id",
  ];
  return { issuer, audience, rolesClaim, tenantClaim, roles };
}

function readKafkaAccess(env: Env, read: ReturnType<typeof reader>, problems: string[]): KafkaAccess {
  const tls = read.oneOf("METRLY_KAFKA_TLS", ["on", "off"], "off") === "on";
  const mechanism = read.oneOf("METRLY_KAFKA_SASL", KAFKA_SASL, "none");
  if (mechanism === "none") return { tls, sasl: undefined };
  const [username, password] = [env.METRLY_KAFKA_USERNAME ?? "", env.METRLY_KAFKA_PASSWORD ?? ""];
  if (username === "" || password === "")
    problems.push("METRLY_KAFKA_USERNAME and METRLY_KAFKA_PASSWORD must be set when METRLY_KAFKA_SASL is");
  return { tls, sasl: { mechanism, username, password } };
}

const MAX_PORT = 65_535;
const MIN_SECRET_LENGTH = 32;
const REDIS = ["redis:", "rediss:"];
const HTTP = ["http:", "https:"];
const NAME = /^[a-z][a-z0-9_]{0,29}$/;

const LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const HOST_NAME = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*\\.?$`, "i");
/** What looks like an IPv4 address is one. */
const isHost = (text: string): boolean => isIP(text) !== 0 || (HOST_NAME.test(text) && !/^[\d.]+$/.test(text));

const isNetwork = (text: string): boolean => isIP(text) !== 0 || ipaddr.isValidCIDR(text);

function isPlace(text: string): boolean {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  return isHost(host.replace(/^\[(.*)\]$/, "$1")) && Number(port) >= 1 && Number(port) <= MAX_PORT;
}

/** Its parts are percent-encoded text: drivers decode them. */
function isUrl(text: string, protocols: readonly string[]): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, pathname } = new URL(text);
  return protocols.includes(protocol) && [username, password, pathname].every(isEncoded);
}

function isEncoded(part: string): boolean {
  try {
    return !decodeURIComponent(part).includes("\0");
  } catch {
    return false;
  }
}
const startsOf = (protocols: readonly string[]): string => protocols.map((p) => `${p}//`).join(" or ");

function reader(env: Env, problems: string[]) {
  return {
    integer(name: string, fallback: number, min: number, max: number): number {
      const text = env[name];
      if (text === undefined || text === "") return fallback;
      const value = Number(text);
      // Number takes more: white space for 0, for example.
      if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
      problems.push(`${name} must be a whole number from ${min} to ${max}, not "${text}"`);
      return fallback;
    },
    oneOf<const T extends string>(name: string, allowed: readonly T[], fallback: T): T {
      const text = env[name];
      if (text === undefined || text === "") return fallback;
      const found = allowed.find((candidate) => candidate === text);
      if (found === undefined) problems.push(`${name} must be one of ${allowed.join(", ")}, not "${text}"`);
      return found ?? fallback;
    },
    list(name: string): readonly string[] {
      return (env[name] ?? "")
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
    },
    host(name: string, fallback: string): string {
      const text = env[name] || fallback;
      if (!isHost(text)) problems.push(`${name} must be an address or the name of a host, not "${text}"`);
      return text;
    },
    /** A list of `host:port`. */
    places(name: string): readonly string[] {
      const places = this.list(name);
      for (const text of places.filter((place) => !isPlace(place)))
        problems.push(`${name} must be a list of host:port, separated by commas; "${text}" is not one`);
      return places;
    },
    /** A list of addresses and CIDR blocks. */
    networks(name: string): readonly string[] {
      const networks = this.list(name);
      for (const text of networks.filter((network) => !isNetwork(network)))
        problems.push(`${name} must be a list of addresses or CIDR blocks, separated by commas; "${text}" is neither`);
      return networks;
    },
    url(name: string, protocols: readonly string[], password?: string): string | undefined {
      const text = env[name];
      if (text === undefined || text === "") return undefined;
      if (!isUrl(text, protocols)) problems.push(`${name} must be a URL that starts with ${startsOf(protocols)}`);
      return withPassword(text, password);
    },
    urls(name: string, protocols: readonly string[], password?: string): readonly string[] {
      const urls = this.list(name);
      if (!urls.every((text) => isUrl(text, protocols)))
        problems.push(`${name} must be a list of URLs that start with ${startsOf(protocols)}, separated by commas`);
      return urls.map((url) => withPassword(url, password));
    },
    name(name: string, fallback: string): string {
      const text = env[name] || fallback;
      if (!NAME.test(text))
        problems.push(`${name} must be 1 to 30 of a-z, 0-9 and _, starting with a letter, not "${text}"`);
      return text;
    },
    secret(name: string): string | undefined {
      const text = env[name];
      if (text === undefined || text === "") return undefined;
      if (text.length < MIN_SECRET_LENGTH) problems.push(`${name} must have at least ${MIN_SECRET_LENGTH} characters`);
      return text;
    },
  };
}
