const MASK = "***";
/** A path segment or value of this form is a word, which a text may use for itself; every other one may be a secret. */
const WORD = /^(?:[A-Z]?[a-z]{0,19}|[A-Z]{1,4})$/;
/** So much of a secret at the end of a text, which may have been cut there, is masked too. */
const MIN_BEGINNING = 4;

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
    .flatMap(spellingsOf)
    .filter((secret) => secret.length > 1);
  // The longest first: a part of a secret must not stay because another part was masked before.
  const longestFirst = [...new Set(secrets)].sort((a, b) => b.length - a.length);
  const whole = longestFirst.reduce((masked, secret) => masked.replaceAll(anyCase(secret), MASK), text);
  const begun = Math.max(0, ...longestFirst.map((secret) => beginningAtEnd(whole, secret)));
  return begun === 0 ? whole : `${whole.slice(0, -begun)}${MASK}`;
}

/** As it is, decoded, encoded as a part of another URL, and with JSON's escaped slashes. */
function spellingsOf(secret: string): string[] {
  const plain = decoded(secret);
  return [secret, plain, encodeURIComponent(plain), secret.replaceAll("/", "\\/")];
}

const anyCase = (text: string): RegExp => new RegExp(text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"), "gi");

/** How much of a secret's beginning stands at the end of a text; 0: too little to tell. */
function beginningAtEnd(text: string, secret: string): number {
  const [end, wanted] = [text.slice(-secret.length).toLowerCase(), secret.toLowerCase()];
  for (let length = Math.min(wanted.length, end.length) - 1; length >= MIN_BEGINNING; length -= 1)
    if (end.endsWith(wanted.slice(0, length))) return length;
  return 0;
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
