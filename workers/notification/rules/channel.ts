/** The channel of an endpoint, selected by its URL. */
export type Channel =
  /** An HTTP receiver that gets Standard Webhooks. */
  | { readonly kind: "webhook"; readonly url: string }
  /** An HTTP receiver of Slack's message format: Slack itself, or a compatible service. */
  | { readonly kind: "slack"; readonly url: string }
  | { readonly kind: "mail"; readonly to: string };

const SLACK_PREFIX = "slack+";
const SLACK_HOST = "hooks.slack.com";

/** `mailto:` is mail; `slack+https:`, or Slack's own host, is Slack's format; all others are webhooks. */
export function channelOf(target: string): Channel {
  const scheme = /^mailto:/i.exec(target);
  if (scheme !== null) return { kind: "mail", to: target.slice(scheme[0].length) };
  if (target.startsWith(SLACK_PREFIX)) return { kind: "slack", url: target.slice(SLACK_PREFIX.length) };
  const isSlack = URL.canParse(target) && new URL(target).hostname === SLACK_HOST;
  return { kind: isSlack ? "slack" : "webhook", url: target };
}

const MAX_ADDRESS = 254;
/** One plain address: no list, no name, no quoting, no header injection. */
const ADDRESS = /^[^\s@<>()[\]\\,;:"%?&]+@[a-z0-9-]+(\.[a-z0-9-]+)+$/i;

export const isMailAddress = (text: string): boolean => text.length <= MAX_ADDRESS && ADDRESS.test(text);
