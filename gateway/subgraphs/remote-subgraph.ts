import { OperationTypeNode } from "graphql";
import type { Logger } from "pino";
import { MINUTE_MS } from "#kernel/duration.js";
import { MetrlyError } from "#kernel/errors.js";
import type { IdentityTokens } from "#platform/auth/identity.js";
import { monotonicMs } from "#platform/lifecycle/time.js";
import type { SubgraphSdl } from "../composition.js";
import type { SubgraphExecutor, SubgraphRequest } from "../federation/subgraph.js";
import { openRemoteHttp } from "./remote-http.js";
import { openRemoteSocket, reasonText } from "./remote-socket.js";
import { createSubscriptionPreparation, resumableFields } from "./resumable.js";
import { resumingStream } from "./resuming-stream.js";

/** A subgraph in another process, at the root of this URL. */
export interface RemoteTarget extends SubgraphSdl {
  readonly url: string;
}

export interface RemoteOptions {
  readonly identityTokens: IdentityTokens;
  readonly logger: Logger;
  readonly timeoutMs?: number;
  /** How long a subscription waits for the subgraph to return. */
  readonly giveUpMs?: number;
}

export interface RemoteSubgraph {
  readonly execute: SubgraphExecutor;
  stop(): Promise<void>;
}

const TIMEOUT_MS = 10_000;
const GIVE_UP_MS = MINUTE_MS;

/**
 * A remote subgraph: queries and mutations over pooled HTTP, subscriptions over one shared socket, each with a freshly
 * signed identity. Every failure is SUBGRAPH_UNAVAILABLE, and logged here.
 */
export function openRemoteSubgraph(target: RemoteTarget, options: RemoteOptions): RemoteSubgraph {
  const { identityTokens } = options;
  const http = openRemoteHttp({ url: target.url, timeoutMs: options.timeoutMs ?? TIMEOUT_MS });
  const socket = openRemoteSocket(target.url);
  const prepare = createSubscriptionPreparation(resumableFields(target.sdl));
  const unavailable = failureReport(target.name, options.logger);
  const sign = ({ context }: SubgraphRequest) => identityTokens.sign(context.identity, target.name);

  async function ask(request: SubgraphRequest) {
    const { operation, variables, context } = request;
    try {
      return await http.ask({
        body: JSON.stringify({ query: operation.text, variables }),
        identityToken: await sign(request),
        repeatable: operation.kind === OperationTypeNode.QUERY,
        signal: context.signal,
      });
    } catch (error) {
      context.signal?.throwIfAborted();
      throw unavailable(error);
    }
  }

  const follow = (request: SubgraphRequest) =>
    resumingStream({
      subscription: prepare(request.operation.document, request.variables),
      socket,
      giveUpMs: options.giveUpMs ?? GIVE_UP_MS,
      signIdentity: () => sign(request),
      unavailable,
    });

  return {
    execute: async (request) =>
      request.operation.kind === OperationTypeNode.SUBSCRIPTION ? follow(request) : ask(request),
    async stop() {
      socket.stop();
      await http.stop();
    },
  };
}

const REPORT_INTERVAL_MS = 5_000;

/** Rate-limits the log of a subgraph that is down: one line every few seconds with the number of failures. */
function failureReport(name: string, logger: Logger): (reason: unknown) => MetrlyError {
  let nextReportMs = 0;
  let failures = 0;
  return (reason) => {
    failures += 1;
    const nowMs = monotonicMs();
    if (nowMs >= nextReportMs) {
      logger.warn({ subgraph: name, reason: reasonText(reason), failures }, "a subgraph does not answer");
      nextReportMs = nowMs + REPORT_INTERVAL_MS;
      failures = 0;
    }
    return new MetrlyError("SUBGRAPH_UNAVAILABLE", `The service ${name} does not answer`);
  };
}
