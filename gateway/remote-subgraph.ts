import { type ExecutionRequest, type Executor, getOperationASTFromRequest } from "@graphql-tools/utils";
import { OperationTypeNode, print } from "graphql";
import type { Logger } from "pino";
import { MetrlyError } from "#kernel/errors.js";
import type { IdentityTokens } from "#platform/identity.js";
import type { SubgraphSdl } from "./composition.js";
import type { GatewayContext } from "./operation.js";
import { openRemoteHttp } from "./remote-http.js";
import { openRemoteSocket, reasonText } from "./remote-socket.js";
import { prepareSubscription, resumableFields } from "./resumable.js";
import { resumingStream } from "./resuming-stream.js";

/** A subgraph that is a process of its own, at the root of this URL. */
export interface RemoteTarget extends SubgraphSdl {
  readonly url: string;
}

export interface RemoteOptions {
  readonly identityTokens: IdentityTokens;
  readonly logger: Logger;
  /** How long one query or mutation may take there. */
  readonly timeoutMs?: number;
  /** How long a subscription waits for the subgraph to return. */
  readonly giveUpMs?: number;
}

export interface RemoteSubgraph {
  readonly execute: Executor;
  stop(): Promise<void>;
}

const TIMEOUT_MS = 10_000;
const GIVE_UP_MS = 60_000;

/**
 * Asks a subgraph over the network: queries and mutations over pooled HTTP, subscriptions over one shared socket, each under
 * a freshly signed identity. Whatever keeps an answer from coming is SUBGRAPH_UNAVAILABLE, and logged here.
 */
export function openRemoteSubgraph(target: RemoteTarget, options: RemoteOptions): RemoteSubgraph {
  const { identityTokens } = options;
  const http = openRemoteHttp({ url: target.url, timeoutMs: options.timeoutMs ?? TIMEOUT_MS });
  const socket = openRemoteSocket(target.url);
  const fields = resumableFields(target.sdl);
  const unavailable = failureReport(target.name, options.logger);
  const sign = (request: ExecutionRequest) => {
    const { identity }: GatewayContext = request.context;
    return identityTokens.sign(identity, target.name);
  };

  async function ask(request: ExecutionRequest, operation: OperationTypeNode) {
    const { document, variables, operationName, signal } = request;
    try {
      return await http.ask({
        body: JSON.stringify({ query: print(document), variables, operationName }),
        identityToken: await sign(request),
        repeatable: operation === OperationTypeNode.QUERY,
        signal,
      });
    } catch (error) {
      throw unavailable(error);
    }
  }

  const follow = (request: ExecutionRequest) =>
    resumingStream({
      subscription: prepareSubscription(request.document, request.variables ?? {}, fields),
      socket,
      giveUpMs: options.giveUpMs ?? GIVE_UP_MS,
      signIdentity: () => sign(request),
      unavailable,
    });

  return {
    execute(request: ExecutionRequest) {
      const { operation } = getOperationASTFromRequest(request);
      return operation === OperationTypeNode.SUBSCRIPTION ? follow(request) : ask(request, operation);
    },
    async stop() {
      socket.stop();
      await http.stop();
    },
  };
}

const REPORT_INTERVAL_MS = 5_000;

/** A subgraph that is down fails each operation that needs it: a line every few seconds says so, with how many. */
function failureReport(name: string, logger: Logger): (reason: unknown) => MetrlyError {
  let nextReportMs = 0;
  let failures = 0;
  return (reason) => {
    failures += 1;
    const nowMs = performance.now();
    if (nowMs >= nextReportMs) {
      logger.warn({ subgraph: name, reason: reasonText(reason), failures }, "a subgraph does not answer");
      nextReportMs = nowMs + REPORT_INTERVAL_MS;
      failures = 0;
    }
    return new MetrlyError("SUBGRAPH_UNAVAILABLE", `The service ${name} does not answer`);
  };
}
