import type { ErrorCode } from "./codes.js";
import { type Connection, MetrlyError, post, refusalOf } from "./http.js";
import type { Operation } from "./operation.js";

export interface GraphError {
  readonly message: string;
  readonly extensions?: { readonly code?: ErrorCode };
}

export interface Answer<Result> {
  readonly data?: Result | null;
  readonly errors?: readonly GraphError[];
}

/** Runs one operation of the control plane. Throws `MetrlyError` with the first error's code. */
export async function askGraph<Result, Variables>(
  connection: Connection,
  query: Operation<Result, Variables>,
  variables?: Variables,
): Promise<Result> {
  const response = await post(connection, "/graphql", JSON.stringify({ query, variables }), { also: "all" });
  const answer = (await response.json().catch(() => ({}))) as Answer<Result>;
  if (!response.ok && answer.errors === undefined) throw refusalOf(response, answer);
  return dataOf(answer, response.status);
}

/** Throws `MetrlyError` with the first error's code; `status`: of the HTTP response. */
export function dataOf<Result>({ data, errors }: Answer<Result>, status: number): Result {
  const [first] = errors ?? [];
  if (first !== undefined) throw new MetrlyError(first.extensions?.code ?? "HTTP_ERROR", first.message, status);
  if (data === undefined || data === null)
    throw new MetrlyError("HTTP_ERROR", "the response is not from Metrly", status);
  return data;
}
