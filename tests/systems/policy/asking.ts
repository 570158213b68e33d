import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import { GREETING_AGAIN } from "../../support/client.js";
import type { PolicyOperation } from "./operations.js";

/** The policy-relevant part of a response. */
export interface Outcome {
  /** ALLOWED, HIDDEN (as if it did not exist) or an error code. */
  readonly verdict: string;
  /** The whole answer. */
  readonly text: string;
}

interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}

/** Runs one operation with this token, or without one, over HTTP or, if it subscribes, over a WebSocket. */
export async function askPolicy(
  url: string,
  token: string | undefined,
  operation: PolicyOperation,
  variables: Record<string, unknown>,
): Promise<Outcome> {
  const { document, admittedCodes } = operation;
  const text = document.startsWith("subscription")
    ? await firstOfSocket(url, token, document, variables)
    : await post(url, token, document, variables);
  const answer: Answer = JSON.parse(text);
  const code = answer.errors?.[0]?.extensions?.code;
  if (code === "NOT_FOUND") return { verdict: "HIDDEN", text };
  if (code !== undefined) return { verdict: admittedCodes?.includes(code) ? "ALLOWED" : code, text };
  const [value] = Object.values(answer.data ?? {});
  return { verdict: value === null || value === undefined ? "HIDDEN" : "ALLOWED", text };
}

async function post(url: string, token: string | undefined, query: string, variables: unknown): Promise<string> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  return response.text();
}

function firstOfSocket(
  url: string,
  token: string | undefined,
  query: string,
  variables: Record<string, unknown>,
): Promise<string> {
  const client = createClient({
    url: `${url.replace(/^http/, "ws")}/graphql`,
    webSocketImpl: WebSocket,
    ...GREETING_AGAIN,
    connectionParams: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  return new Promise<string>((resolve) => {
    client.subscribe(
      { query, variables },
      {
        next: (result) => resolve(JSON.stringify(result)),
        error: (reason) => resolve(JSON.stringify({ errors: errorsOf(reason) })),
        complete: () => resolve("{}"),
      },
    );
  }).finally(() => client.dispose());
}

/** A refused client gets the reason from the closing code. */
function errorsOf(reason: unknown): unknown {
  if (typeof reason === "object" && reason !== null && "reason" in reason)
    return [{ extensions: { code: String(reason.reason) } }];
  return reason;
}
