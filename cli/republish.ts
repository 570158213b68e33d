import { parseConfig } from "#platform/config.js";
import { createIdentityTokens, roomIdentity } from "#platform/identity.js";
import { findInternalSecret } from "#platform/internal-secret.js";
import { IDENTITY_HEADER, LEDGER_AUDIENCE, REPUBLISH_PATH } from "#platform/ledger-client.js";
import { Refusal } from "./failure.js";

export interface RepublishRange {
  readonly partition: string;
  readonly from: string;
  readonly to: string;
  readonly url?: string;
}

/**
 * `metrly ingestion republish`: asks ingestion, piece by piece, to send a range of a partition's ledger to usage.recorded once
 * more. It speaks as the installation itself, by the secret that its rooms share: run it where they run.
 */
export async function republishLedger(
  options: RepublishRange,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const [partition, from, to] = (["partition", "from", "to"] as const).map((name) => whole(name, options[name]));
  if (partition === undefined || from === undefined || to === undefined || from < 1 || to < from)
    throw new Refusal("--from must be at least 1, and --to not less.");
  const config = parseConfig(env);
  const base = options.url ?? config.serviceUrls.ingestion ?? `http://127.0.0.1:${config.port}`;
  if (!URL.canParse(base)) throw new Refusal(`"${base}" is not a URL.`);
  const tokens = createIdentityTokens(await findInternalSecret(config));
  let entries = 0;
  for (let next = from; next <= to; ) {
    const url = new URL(REPUBLISH_PATH, base);
    for (const [name, value] of Object.entries({ partition, from: next, to }))
      url.searchParams.set(name, String(value));
    const token = await tokens.sign(roomIdentity("cli"), LEDGER_AUDIENCE);
    const piece = await ask(url, token);
    entries += piece.entries;
    next = piece.nextSeq;
  }
  process.stdout.write(`${entries} entries of partition ${partition} are in usage.recorded once more\n`);
}

function whole(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Refusal(`--${name} must be a whole number, not "${text}".`);
  return Number(text);
}

async function ask(url: URL, token: string): Promise<{ readonly entries: number; readonly nextSeq: number }> {
  const response = await fetch(url, { method: "POST", headers: { [IDENTITY_HEADER]: token } }).catch(() => {
    throw new Refusal(`Nothing answers at ${url.origin}. Pass --url with ingestion's own address.`);
  });
  const answer: unknown = await response.json();
  const fields =
    typeof answer === "object" && answer !== null ? new Map(Object.entries(answer)) : new Map<string, unknown>();
  if (!response.ok) throw new Refusal(`${fields.get("code") ?? response.status}: ${fields.get("detail") ?? "refused"}`);
  const [entries, nextSeq] = [fields.get("entries"), fields.get("nextSeq")];
  if (typeof entries !== "number" || typeof nextSeq !== "number")
    throw new Refusal(`${url.origin} is not Metrly's ingestion.`);
  return { entries, nextSeq };
}
