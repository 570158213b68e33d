import { MetrlyError } from "#kernel/errors.js";
import { OPERATOR_EVENT_TYPES, TENANT_EVENT_TYPES } from "#schema/webhook-events.js";
import type { ResolverOf } from "../delivery/resolver.js";
import { checkTarget, type TargetPolicy } from "../delivery/ssrf.js";
import { channelOf, isMailAddress } from "../rules/channel.js";
import { OPERATORS } from "../rules/operators.js";
import type { CreateWebhookEndpointInput } from "./types.js";

/** Which targets are allowed. */
export interface TargetOptions {
  readonly policy: TargetPolicy;
  readonly resolverOf: ResolverOf;
  readonly sendsMail: boolean;
}

/** The tenant of a new endpoint, or `OPERATORS`. Throws INVALID. */
export function ownerOf({ tenantId, platform }: CreateWebhookEndpointInput): string {
  const isNamed = typeof tenantId === "string";
  if (isNamed === (platform === true))
    throw new MetrlyError("INVALID", "`tenantId`: name either a tenant or `platform: true`", { path: "tenantId" });
  return isNamed ? tenantId : OPERATORS;
}

/**
 * The event types that an endpoint gets, each once: those it asks for, and an operator's endpoint in any case those of unbilled
 * usage, which no tenant's may ask for. Throws INVALID.
 */
export function checkEventTypes(types: readonly string[], tenantId: string): readonly string[] {
  const always: readonly string[] = tenantId === OPERATORS ? OPERATOR_EVENT_TYPES : [];
  const known: readonly string[] = [...TENANT_EVENT_TYPES, ...always];
  const unknown = types.find((type) => !known.includes(type));
  if (unknown !== undefined || types.length + always.length === 0) {
    const what = unknown === undefined ? "names none" : `names ${JSON.stringify(unknown.slice(0, 80))}`;
    throw new MetrlyError("INVALID", `\`eventTypes\` ${what}; there are ${known.join(", ")}`, { path: "eventTypes" });
  }
  return known.filter((type) => types.includes(type) || always.includes(type));
}

/** The address as it is stored. A name that does not resolve now is accepted; each attempt checks again. Throws INVALID. */
export async function checkUrl(
  { policy, resolverOf, sendsMail }: TargetOptions,
  tenantId: string,
  text: string,
): Promise<string> {
  const channel = channelOf(text);
  if (channel.kind === "mail") {
    if (!isMailAddress(channel.to)) throw wrongUrl("mailto: needs one plain address, like mailto:ops@example.com");
    if (!sendsMail) throw wrongUrl("this installation has no mail server; set METRLY_SMTP_URL");
    return `mailto:${channel.to}`;
  }
  const target = await checkTarget(channel.url, policy, resolverOf(tenantId));
  if (target.kind === "forbidden") throw wrongUrl(target.reason);
  const { href } = new URL(channel.url);
  return channel.url === text ? href : `${text.slice(0, text.length - channel.url.length)}${href}`;
}

const wrongUrl = (reason: string): MetrlyError => new MetrlyError("INVALID", `\`url\`: ${reason}`, { path: "url" });
