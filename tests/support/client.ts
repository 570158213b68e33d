import { setTimeout as wait } from "node:timers/promises";
import { CloseCode, createClient } from "graphql-ws";
import { WebSocket } from "ws";
import { ERROR_CODES, isErrorCode } from "#kernel/errors.js";
import { PATIENCE_MS, waitFor } from "../servers/servers.js";
import type { TypedDocumentString } from "./graphql/graphql.js";

export interface GraphError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: { readonly code: string };
}

/** A text, or an operation with its types. */
export type Operation<Result, Variables> = string | TypedDocumentString<Result, Variables>;
/** Variables in tests: enums are plain strings. */
export type Loose<T> = T extends string
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Loose<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Loose<T[Key]> }
      : T;
/** Data in tests: non-null, so that an unexpected null fails the test. */
export type Present<T> = T extends readonly (infer Item)[]
  ? readonly Present<NonNullable<Item>>[]
  : T extends object
    ? { readonly [Key in keyof T]: Present<NonNullable<T[Key]>> }
    : T;

/** One GraphQL operation over HTTP; returns any response. */
export async function askRaw<Result, Variables>(
  url: string,
  token: string,
  query: Operation<Result, Variables>,
  variables?: Loose<NoInfer<Variables>>,
  headers: Readonly<Record<string, string>> = {},
) {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as { data?: Present<Result> | null; errors?: readonly GraphError[] };
  return { status: response.status, ...body };
}

const AGAIN_AFTER_MS = 100;

/**
 * As `askRaw`, again while it is refused for now, as clients of a busy machine do. A mutation that a service did not answer is not
 * repeated: it may have taken effect.
 */
export async function askUntilServed<Result, Variables>(
  url: string,
  token: string,
  query: Operation<Result, Variables>,
  variables?: Loose<NoInfer<Variables>>,
) {
  const isMutation = String(query).trimStart().startsWith("mutation");
  const isForNow = ({ extensions: { code } }: GraphError): boolean =>
    isErrorCode(code) && ERROR_CODES[code].status === 503 && !(isMutation && code === "SUBGRAPH_UNAVAILABLE");
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await askRaw(url, token, query, variables);
    if (!answer.errors?.some(isForNow) || performance.now() > deadline) return answer;
    await wait(AGAIN_AFTER_MS);
  }
}

/** One GraphQL operation that must succeed. */
export async function ask<Result, Variables>(
  url: string,
  token: string,
  query: Operation<Result, Variables>,
  variables?: Loose<NoInfer<Variables>>,
): Promise<Present<Result>> {
  const { data, errors } = await askUntilServed(url, token, query, variables);
  if (errors !== undefined || data === undefined || data === null)
    throw new Error(`GraphQL: ${JSON.stringify(errors)}`);
  return data;
}

export interface EventsAnswer {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly results: readonly {
    readonly id?: string;
    readonly source?: string;
    readonly status: string;
    readonly code?: string;
    readonly detail?: string;
  }[];
}

export function postEvents(
  url: string,
  key: string,
  body: unknown,
  contentType = "application/cloudevents-batch+json",
): Promise<Response> {
  return fetch(`${url}/v1/events`, {
    method: "POST",
    headers: { "content-type": contentType, authorization: `Bearer ${key}` },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

export function postJson(url: string, key: string, path: string, body: unknown): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
}

/**
 * Sends a request again while it is refused for now, as clients of a busy machine do: with 503, or because quota's counters do not
 * answer. By its ids, it counts once.
 */
export function untilServed(send: () => Promise<Response>): Promise<Response> {
  return waitFor(
    async () => {
      const response = await send();
      const { status, headers } = response;
      const text = await response.text();
      const isForNow = status === 503 || text.includes('"COUNTER_REBUILDING"');
      return isForNow ? undefined : new Response(text, { status, headers });
    },
    { what: "a request to be served" },
  );
}

/** Of a client of graphql-ws: a machine that stops for seconds may let the server's time for its greeting pass. */
export const GREETING_AGAIN = {
  retryAttempts: 10,
  shouldRetry: (closed: unknown): boolean =>
    typeof closed === "object" &&
    closed !== null &&
    "code" in closed &&
    closed.code === CloseCode.ConnectionInitialisationTimeout,
} as const;

/** Collects the results of a subscription until stopped. */
export function subscribe<Result, Variables extends Record<string, unknown>>(
  url: string,
  token: string,
  query: Operation<Result, Variables>,
  variables: NoInfer<Variables>,
) {
  const client = createClient({
    url: `${url.replace(/^http/, "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    ...GREETING_AGAIN,
    lazy: false,
    onNonLazyError: () => undefined,
  });
  const received: Present<Result>[] = [];
  const errors: unknown[] = [];
  const stop = client.subscribe<Present<Result>>(
    { query: query.toString(), variables },
    {
      next: (result) => {
        if (result.data !== undefined && result.data !== null) received.push(result.data);
        if (result.errors !== undefined) errors.push(...result.errors);
      },
      error: (error) => errors.push(error),
      complete: () => undefined,
    },
  );
  return {
    received,
    errors,
    async stop() {
      stop();
      await client.dispose();
    },
  };
}
