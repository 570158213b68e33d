import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";
import { ConfigError } from "#platform/process/config-error.js";

/** The targets that this deployment's webhooks may reach. */
export interface TargetPolicy {
  readonly allowLoopback: boolean;
  /** Private targets that are allowed. */
  readonly allowHosts: AllowedHosts;
  /** Ports of Metrly on this machine: never reached, whatever else is allowed. */
  readonly ownPorts: readonly number[];
}

export interface AllowedHosts {
  readonly names: ReadonlySet<string>;
  readonly blocks: BlockList;
}

/** Parses names, addresses and CIDR blocks. Throws ConfigError for what is none of them. */
export function parseAllowedHosts(entries: readonly string[]): AllowedHosts {
  const names = new Set<string>();
  const blocks = new BlockList();
  for (const entry of entries) {
    const [base = "", bits, more] = entry.split("/");
    if (isIP(base) === 0 && HOST_NAME.test(entry)) names.add(entry.toLowerCase());
    else if (isIP(base) !== 0 && bits === undefined) blocks.addAddress(base, familyOf(base));
    else if (
      isIP(base) !== 0 &&
      more === undefined &&
      /^\d{1,3}$/.test(bits ?? "") &&
      Number(bits) <= (isIP(base) === 6 ? 128 : 32)
    )
      blocks.addSubnet(base, Number(bits), familyOf(base));
    else throw new ConfigError(`METRLY_WEBHOOK_ALLOW_HOSTS: "${entry}" is not a name, an address or a CIDR block`);
  }
  return { names, blocks };
}

/** Not what looks like an address, and is none. */
const HOST_NAME = /^(?![\d.]+$)[\w-]+(?:\.[\w-]+)*$/;
const familyOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** All addresses of a name. Rejects when there are none. */
export type Resolve = (name: string) => Promise<readonly Address[]>;

export type Target =
  /** Connect only to these addresses: another lookup could give a different answer. */
  | { readonly kind: "allowed"; readonly url: URL; readonly addresses: readonly Address[] }
  | { readonly kind: "forbidden"; readonly reason: string }
  /** The name does not resolve now. This may be transient, so it is no reason to refuse an endpoint. */
  | { readonly kind: "unresolved"; readonly reason: string };

const MAX_URL_LENGTH = 2048;
/** Addresses of a name that are checked and connected to; a name server can send thousands. */
const MAX_ADDRESSES = 32;

/**
 * Decides whether a webhook may be sent to `text`, after resolving its name; every address that is used must be allowed. WHATWG parsing
 * first normalizes unusual notations of addresses (octal, hexadecimal, one number, full-width digits).
 */
export async function checkTarget(text: string, policy: TargetPolicy, resolve: Resolve): Promise<Target> {
  if (text.length > MAX_URL_LENGTH) return forbidden(`a URL has at most ${MAX_URL_LENGTH} characters`);
  if (!URL.canParse(text))
    return forbidden("this is not a complete URL: start it with https://, as in https://example.com/hook");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    return forbidden("only https and http URLs are called (mailto: and slack+https: select mail and Slack)");
  if (url.username !== "" || url.password !== "") return forbidden("a URL must not contain credentials");
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  let addresses: readonly Address[];
  try {
    addresses = await addressesOf(host, resolve);
  } catch (error) {
    return {
      kind: "unresolved",
      reason: `${host} does not resolve: ${error instanceof Error ? error.message : error}`,
    };
  }
  if (addresses.length === 0) return { kind: "unresolved", reason: `${host} has no address` };
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  for (const { address } of addresses) {
    const reason = objection(host, address, port, policy);
    if (reason !== undefined) return forbidden(reason);
  }
  if (url.protocol === "http:" && !mayUsePlainHttp(host, addresses, policy))
    return forbidden("http is for hosts in METRLY_WEBHOOK_ALLOW_HOSTS; use https");
  return { kind: "allowed", url, addresses };
}

async function addressesOf(host: string, resolve: Resolve): Promise<readonly Address[]> {
  const family = isIP(host);
  return family === 0
    ? (await resolve(host)).slice(0, MAX_ADDRESSES)
    : [{ address: host, family: family === 6 ? 6 : 4 }];
}

/** Embedded mode allows plain HTTP for local trials; elsewhere only hosts named by the operator. */
function mayUsePlainHttp(host: string, addresses: readonly Address[], policy: TargetPolicy): boolean {
  return (
    policy.allowLoopback ||
    addresses.every(({ address }) => isNamed(host, plainAddress(address) ?? address, policy.allowHosts))
  );
}

function objection(host: string, address: string, port: number, policy: TargetPolicy): string | undefined {
  const plain = plainAddress(address);
  if (plain === undefined) return `${address} is not an address`;
  if (isThisMachine(plain) && policy.ownPorts.includes(port)) return `port ${port} of this machine is Metrly's own`;
  if (isNamed(host, plain, policy.allowHosts)) return undefined;
  const range = rangeOf(plain);
  if (range === "public" || (range === "loopback" && policy.allowLoopback)) return undefined;
  return `${host === plain ? host : `${host} (${plain})`} is not a public address (${range}); such targets are for hosts in METRLY_WEBHOOK_ALLOW_HOSTS`;
}

/** The address in one notation, with IPv4 extracted from IPv4-mapped IPv6, and without a zone (`fe80::1%eth0`). */
function plainAddress(address: string): string | undefined {
  const bare = address.split("%")[0] ?? "";
  return isIP(bare) === 0 ? undefined : ipaddr.process(bare).toString();
}

const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parseCIDR("2000::/3");
/** A public number that is a cloud-internal service: Azure's wire server. */
const CLOUD_INTERNAL = new Set(["168.63.129.16"]);

/** "public", or the name of the special range. */
function rangeOf(plain: string): string {
  const parsed = ipaddr.parse(plain);
  const range = parsed.range();
  if (CLOUD_INTERNAL.has(plain)) return "cloudMetadata";
  if (range !== "unicast") return range;
  // Everything outside 2000::/3 is special or unassigned, e.g. IPv4-compatible ::127.0.0.1.
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(GLOBAL_UNICAST_V6)) return "notGlobalUnicast";
  return "public";
}

function isThisMachine(plain: string): boolean {
  const range = ipaddr.parse(plain).range();
  if (range === "loopback" || range === "unspecified") return true;
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return own.some(({ address }) => plainAddress(address) === plain);
}

function isNamed(host: string, address: string, { names, blocks }: AllowedHosts): boolean {
  return names.has(host.toLowerCase()) || blocks.check(address, familyOf(address));
}

const forbidden = (reason: string): Target => ({ kind: "forbidden", reason });

/** The ports of Metrly and of the servers it is configured with. */
export function ownPorts(ports: readonly number[], urls: readonly (string | undefined)[]): readonly number[] {
  const ofUrls = urls.flatMap((url) => (url === undefined || !URL.canParse(url) ? [] : [Number(new URL(url).port)]));
  return [...ports, ...ofUrls].filter((port) => port > 0);
}
