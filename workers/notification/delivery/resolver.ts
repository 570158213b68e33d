import { Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { hasCode } from "#kernel/errors.js";
import { after, monotonicMs } from "#platform/lifecycle/time.js";
import type { Address, Resolve } from "./ssrf.js";

/** From the first query to the last answer of one name, ms. */
const LOOKUP_MS = 5_000;
/** Of the first query to a server; c-ares doubles it for the second. */
const QUERY_MS = 1_500;
const TRIES = 2;
/** Look-ups of one tenant at once. */
const PER_TENANT = 16;
const WAITING_PER_TENANT = 500;
const FILES_MAX_AGE_MS = 5_000;
/** As the C library reads of `search`. */
const MAX_SUFFIXES = 6;

export interface NameResolverOptions {
  /** `address:port` of name servers; absent: those of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  readonly hostsFile?: string;
  readonly perTenant?: number;
}

/** The look-ups of one tenant: they wait for each other, and for nobody else's. */
export type ResolverOf = (tenantId: string) => Resolve;

/**
 * Resolves names as the C library does with `files dns` (/etc/hosts, then the name servers with their search list), but by
 * c-ares: getaddrinfo blocks one of four threads that the whole process shares, so that one deaf name server would stop
 * everything that reads a file or sends a webhook. Rejects when there are no addresses.
 */
export function createNameResolver(options: NameResolverOptions = {}): ResolverOf {
  const { servers, hostsFile = "/etc/hosts", perTenant = PER_TENANT } = options;
  const hosts = kept(async () => parseHosts(await textOf(hostsFile)));
  const suffixes = kept(async () => (servers === undefined ? parseSuffixes(await textOf("/etc/resolv.conf")) : []));
  const inTurn = createTurns(perTenant, WAITING_PER_TENANT);

  async function resolve(name: string): Promise<readonly Address[]> {
    const plain = name.toLowerCase();
    const known = (await hosts()).get(plain);
    if (known !== undefined) return known;
    if (plain === "localhost" || plain.endsWith(".localhost")) return LOOPBACK;
    const relative = (await suffixes()).map((suffix) => `${plain}.${suffix}`);
    const resolver = new Resolver({ timeout: QUERY_MS, tries: TRIES });
    if (servers !== undefined) resolver.setServers(servers);
    const timer = after(LOOKUP_MS, () => resolver.cancel());
    try {
      return await firstOf(resolver, plain.includes(".") ? [plain, ...relative] : [...relative, plain]);
    } finally {
      timer.cancel();
    }
  }
  return (tenantId) => (name) => inTurn(tenantId, () => resolve(name));
}

const LOOPBACK: readonly Address[] = [
  { address: "127.0.0.1", family: 4 },
  { address: "::1", family: 6 },
];

/** The addresses of the first name that exists. */
async function firstOf(resolver: Resolver, names: readonly string[]): Promise<readonly Address[]> {
  let missing: unknown;
  for (const name of names) {
    try {
      return await addressesOf(resolver, name);
    } catch (error) {
      missing ??= error;
      if (!hasCode(error, "ENOTFOUND", "ENODATA")) throw error;
    }
  }
  throw missing;
}

async function addressesOf(resolver: Resolver, name: string): Promise<readonly Address[]> {
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const addresses: Address[] = [
    ...(v4.status === "fulfilled" ? v4.value : []).map((address) => ({ address, family: 4 as const })),
    ...(v6.status === "fulfilled" ? v6.value : []).map((address) => ({ address, family: 6 as const })),
  ];
  if (addresses.length > 0) return addresses;
  const failed = [v4, v6].flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  // A name without one kind of address is no failure of the name server; the other answer may be one.
  throw failed.find((error) => !hasCode(error, "ENOTFOUND", "ENODATA")) ?? failed[0];
}

function parseHosts(text: string): ReadonlyMap<string, readonly Address[]> {
  const hosts = new Map<string, Address[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const family = isIP(address.split("%")[0] ?? "");
    if (family === 0) continue;
    for (const name of names.map((one) => one.toLowerCase()))
      hosts.set(name, [...(hosts.get(name) ?? []), { address, family: family === 6 ? 6 : 4 }]);
  }
  return hosts;
}

/** The last `search` or `domain` line counts. */
function parseSuffixes(text: string): readonly string[] {
  const line = [...text.matchAll(/^(?:search|domain)[ \t]+(.*)$/gm)].at(-1)?.[1] ?? "";
  const suffixes = line.split(/\s+/).map((suffix) => suffix.replace(/\.$/, "").toLowerCase());
  return suffixes.filter((suffix) => suffix !== "").slice(0, MAX_SUFFIXES);
}

const textOf = (file: string): Promise<string> => readFile(file, "utf8").catch(() => "");

/** Reads again what is older than a few seconds: containers' files change while processes run. */
function kept<T>(read: () => Promise<T>): () => Promise<T> {
  let value: Promise<T> | undefined;
  let readAtMs = 0;
  return () => {
    if (value === undefined || monotonicMs() - readAtMs > FILES_MAX_AGE_MS) {
      readAtMs = monotonicMs();
      value = read();
    }
    return value;
  };
}

type InTurn = <T>(tenantId: string, work: () => Promise<T>) => Promise<T>;

function createTurns(atOnce: number, waiting: number): InTurn {
  const tenants = new Map<string, { running: number; readonly line: (() => void)[] }>();
  return async (tenantId, work) => {
    const tenant = tenants.get(tenantId) ?? { running: 0, line: [] };
    tenants.set(tenantId, tenant);
    if (tenant.running < atOnce) tenant.running += 1;
    else if (tenant.line.length >= waiting) throw new Error("too many names of this tenant are being resolved");
    // The one that ends hands its turn on.
    else await new Promise<void>((resolve) => tenant.line.push(resolve));
    try {
      return await work();
    } finally {
      const next = tenant.line.shift();
      if (next !== undefined) next();
      else {
        tenant.running -= 1;
        if (tenant.running === 0) tenants.delete(tenantId);
      }
    }
  };
}
