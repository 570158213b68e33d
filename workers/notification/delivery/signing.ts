import { createHash } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { randomSecret } from "#platform/lifecycle/secret.js";

/** Standard Webhooks requires 24 to 64 random bytes. */
const SECRET_BYTES = 32;

export function newWebhookSecret(): string {
  return `whsec_${randomSecret(SECRET_BYTES).toString("base64")}`;
}

/**
 * The `webhook-id` that receivers deduplicate by: the same for every attempt, replay and endpoint of one event. Hashed, because
 * event ids contain characters that the signed text `id.timestamp.body` reserves.
 */
export function webhookId(tenantId: string, eventId: string): string {
  return `msg_${createHash("sha256").update(`${tenantId}\n${eventId}`).digest("base64url").slice(0, 27)}`;
}

/** The three headers of Standard Webhooks, with one `v1` signature per secret: during a rotation both verify. */
export function signatureHeaders(
  secrets: readonly string[],
  id: string,
  sentAtMs: number,
  payload: string,
): Readonly<Record<string, string>> {
  const sentAt = new Date(sentAtMs);
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(sentAtMs / 1000)),
    "webhook-signature": secrets.map((secret) => new Webhook(secret).sign(id, sentAt, payload)).join(" "),
  };
}
