import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { MetrlyError } from "#kernel/errors.js";
import { asBearer } from "#platform/auth/api-keys.js";
import type { IdentityTokens } from "#platform/auth/identity.js";
import {
  IDENTITY_HEADER,
  QUEUE_BOARD_AUDIENCE,
  QUEUE_BOARD_INTERNAL_PATH,
  QUEUE_BOARD_PATH,
} from "#platform/auth/internal-api.js";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import type { Authentication } from "./auth/authentication.js";

export interface QueueBoardProxyOptions {
  readonly authentication: Authentication;
  readonly identityTokens: IdentityTokens;
  /** The URL of the process that serves the board; undefined: this process. */
  readonly url: string | undefined;
}

const TIMEOUT_MS = 10_000;
const KEPT_HEADERS = ["content-type", "cache-control", "etag", "last-modified", "location"];

/** Shows the job queues to platform admins, read-only. */
export function registerQueueBoardProxy(app: FastifyInstance, options: QueueBoardProxyOptions): void {
  const { authentication, identityTokens, url } = options;

  async function answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const identity = await adminOf(authentication, request.headers.authorization).catch((error: unknown) => {
      // Browsers send a user name and a password; the password is the token.
      if (error instanceof MetrlyError && error.code === "UNAUTHENTICATED") return undefined;
      throw error;
    });
    if (identity === undefined)
      return reply
        .code(401)
        .header("www-authenticate", 'Basic realm="Metrly", charset="UTF-8"')
        .type("text/plain")
        .send(SIGN_IN);
    const path = QUEUE_BOARD_INTERNAL_PATH + request.url.slice(QUEUE_BOARD_PATH.length);
    const token = await identityTokens.sign({ ...identity, kind: "SERVICE" }, QUEUE_BOARD_AUDIENCE);
    const { status, headers, body } = await get(app, url, path, { [IDENTITY_HEADER]: token });
    for (const name of KEPT_HEADERS) {
      const value = headers[name];
      if (value !== undefined) reply.header(name, value);
    }
    return reply
      .code(status)
      .headers({ "x-frame-options": "DENY", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" })
      .send(body);
  }

  app.get(QUEUE_BOARD_PATH, answer);
  app.get(`${QUEUE_BOARD_PATH}/*`, answer);
}

const SIGN_IN =
  "Only platform admins may see the job queues. Use any user name and a platform admin's token as the password.\n";

async function adminOf(authentication: Authentication, authorization: string | undefined) {
  const { identity } = await authentication.authenticate(asBearer(authorization));
  if (identity.roles.includes("PLATFORM_ADMIN")) return identity;
  throw new MetrlyError("FORBIDDEN", "Only platform admins may see the job queues");
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

async function get(
  app: FastifyInstance,
  baseUrl: string | undefined,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  if (baseUrl === undefined) {
    const { statusCode, rawPayload, headers: got } = await app.inject({ url: path, headers });
    const texts = Object.entries(got).map(([name, value]) => [name, value === undefined ? undefined : String(value)]);
    return { status: statusCode, headers: Object.fromEntries(texts), body: rawPayload };
  }
  try {
    const response = await fetch(new URL(path, baseUrl), {
      ...{ headers, redirect: "manual", signal: timeoutSignal(TIMEOUT_MS) },
    });
    const body = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: Object.fromEntries(response.headers), body };
  } catch (error) {
    throw new MetrlyError("UNAVAILABLE", `The process that serves the job queues does not answer: ${error}`);
  }
}
