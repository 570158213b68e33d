import { createTransport } from "nodemailer";
import { nowMs } from "#platform/lifecycle/time.js";
import type { Description } from "../rules/describe.js";
import type { AttemptResult } from "../rules/retry.js";
import { SEND_TIMEOUT_MS, untilAborted } from "./send.js";

export interface Mail extends Description {
  readonly to: string;
  /** Stable across attempts, so that duplicate mails are recognizable. */
  readonly id: string;
  readonly type: string;
}

export type Mailer = ReturnType<typeof createMailer>;

/** A recipient or message that the server permanently refuses; 4xx responses are transient. */
const FIRST_PERMANENT = 500;
const REFUSES_MAIL = new Set(["EENVELOPE", "EMESSAGE"]);

/** Sends mail through an SMTP server: `smtp://` (with STARTTLS if offered) or `smtps://`, credentials included. */
export function createMailer(url: string, from: string, timeoutMs = SEND_TIMEOUT_MS) {
  const transport = createTransport({
    ...{ url, pool: true, maxConnections: 4 },
    ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs },
    ...{ disableFileAccess: true, disableUrlAccess: true },
  });
  return {
    /**
     * One attempt, which never rejects. A mail accepted by the server counts as delivered. `signal` aborts the attempt
     * (shutdown): it counts as failed.
     */
    async send({ to, id, type, subject, lines }: Mail, signal: AbortSignal): Promise<AttemptResult> {
      const startedAt = nowMs();
      const result = (outcome: Pick<AttemptResult, "error"> & Partial<AttemptResult>): AttemptResult => ({
        ...{ startedAt, durationMs: nowMs() - startedAt, responseStatus: undefined, responseBody: undefined },
        ...{ retryAfterMs: undefined, isPermanent: false },
        ...outcome,
      });
      try {
        const sending = transport.sendMail({
          ...{ from, to, subject, text: `${lines.join("\n")}\n`, messageId: `<${id}@metrly>` },
          headers: { "Auto-Submitted": "auto-generated", "X-Metrly-Event": type },
        });
        const { response } = await untilAborted(sending, signal);
        return result({ error: undefined, responseStatus: statusOf(response), responseBody: response });
      } catch (error) {
        const {
          code = "",
          responseCode,
          response,
        } = error as { code?: string; responseCode?: number; response?: string };
        return result({
          error: `the mail server did not accept it: ${error instanceof Error ? error.message : error}`,
          responseStatus: responseCode,
          responseBody: response,
          isPermanent: REFUSES_MAIL.has(code) && responseCode !== undefined && responseCode >= FIRST_PERMANENT,
        });
      }
    },
    stop: () => transport.close(),
  };
}

const statusOf = (response: string): number | undefined => Number(/^\d{3}/.exec(response)?.[0]) || undefined;
