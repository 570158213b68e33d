import type { IncomingMessage } from "node:http";
import ipaddr from "ipaddr.js";

/** IPv6 clients own a whole /64, so they count by network. */
const IPV6_NETWORK_GROUPS = 4;

/** The parts of a request that tell where it comes from. */
export type Sender = Pick<IncomingMessage, "headers"> & {
  readonly socket: Pick<IncomingMessage["socket"], "remoteAddress">;
};

/** The client behind an address: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(address = ""): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  return parsed.kind() === "ipv6"
    ? parsed.toNormalizedString().split(":").slice(0, IPV6_NETWORK_GROUPS).join(":")
    : parsed.toString();
}

/**
 * The network of the client that sent a request. Of a proxy in `trusted` (addresses or CIDR blocks) it is the last address in
 * `X-Forwarded-For`, which that proxy added itself; what came before, anybody may have written.
 */
export function createClientAddress(trusted: readonly string[]): (request: Sender) => string {
  const blocks = trusted.map(blockOf);
  const isTrusted = (address = ""): boolean => {
    if (blocks.length === 0 || !ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    return blocks.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits));
  };
  return ({ headers, socket: { remoteAddress } }) => {
    if (!isTrusted(remoteAddress)) return networkOf(remoteAddress);
    const forwarded = [headers["x-forwarded-for"] ?? ""].flat().join(",").split(",").at(-1)?.trim() ?? "";
    return networkOf(ipaddr.isValid(forwarded) ? forwarded : remoteAddress);
  };
}

type Block = ReturnType<typeof ipaddr.parseCIDR>;

function blockOf(text: string): Block {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  const address = ipaddr.process(text);
  return [address, address.kind() === "ipv6" ? 128 : 32];
}
