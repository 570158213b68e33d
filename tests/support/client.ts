import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

export interface GraphError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: { readonly code: string };
}

/** One GraphQL operation over HTTP; whatever comes back. */
export async function askRaw<T>(url: string, token: string, query: string, variables: Record<string, unknown> = {}) {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as { data?: T | null; errors?: readonly GraphError[] };
  return { status: response.status, ...body };
}

/** One GraphQL operation that must succeed. */
export async function ask<T>(
  url: string,
  token: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<T> {
  const { data, errors } = await askRaw<T>(url, token, query, variables);
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

/** Collects what a subscription sends until stopped. */
export function subscribe<T>(url: string, token: string, query: string, variables: Record<string, unknown>) {
  const client = createClient({
    url: `${url.replace(/^http/, "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    lazy: false,
    onNonLazyError: () => undefined,
  });
  const received: T[] = [];
  const errors: unknown[] = [];
  const stop = client.subscribe<T>(
    { query, variables },
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
