import { type Connection, MetrlyError, post } from "./http.js";

interface Answer<T> {
  readonly data?: T | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

/** One operation of the control plane. Throws `MetrlyError` with the first error's code. */
export async function askGraph<T>(
  connection: Connection,
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
): Promise<T> {
  const response = await post(connection, "/graphql", JSON.stringify({ query, variables }), { also: [400, 401, 403] });
  const { data, errors } = (await response.json()) as Answer<T>;
  const [first] = errors ?? [];
  if (first !== undefined) throw new MetrlyError(first.extensions?.code ?? "GRAPHQL", first.message, response.status);
  if (data === undefined || data === null)
    throw new MetrlyError("HTTP_ERROR", "not an answer of Metrly's", response.status);
  return data;
}
