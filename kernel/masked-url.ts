const MASK = "***";
/** A path segment or value of this form is a word, which a text may use for itself; every other one may be a secret. */
const WORD = /^[a-z]{0,20}$/i;

/**
 * The address of a receiver without what may be a secret: everything after its host. Senders of webhooks treat addresses as
 * credentials (Slack: whoever has one can write into its channel), and no rule tells a token from a name. Mail addresses stay.
 */
export function maskedUrl(address: string): string {
  const { prefix, url } = partsOf(address);
  if (url === undefined) return MASK;
  if (url.protocol === "mailto:") return address;
  const isBare = url.pathname === "/" && url.username + url.password + url.search + url.hash === "";
  return `${prefix}${url.protocol}//${url.host}/${isBare ? "" : MASK}`;
}

/** `text`, an answer of the receiver for example, with everything masked that `maskedUrl` hides of the address. */
export function withoutUrl(text: string, address: string): string {
  const { url } = partsOf(address);
  if (url === undefined || url.protocol === "mailto:") return text;
  const { username, password, pathname, search, hash } = url;
  const pieces = [...pathname.split("/"), ...`${search}${hash}`.split(/[?#&=]/), username, password];
  const secrets = [`${pathname}${search}`, pathname, search, hash, ...pieces.filter((piece) => !WORD.test(piece))]
    .flatMap((secret) => [secret, decoded(secret)])
    .filter((secret) => secret.length > 1);
  // The longest first: a part of a secret must not stay because another part was masked before.
  return [...new Set(secrets)]
    .sort((a, b) => b.length - a.length)
    .reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}

function partsOf(address: string): { readonly prefix: string; readonly url: URL | undefined } {
  const prefix = /^slack\+/i.exec(address)?.[0] ?? "";
  const rest = address.slice(prefix.length);
  return { prefix, url: URL.canParse(rest) ? new URL(rest) : undefined };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
