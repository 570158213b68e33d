import path from "node:path";
import { timeoutSignal } from "#platform/lifecycle/time.js";
import { type Env, parseConfig } from "#platform/process/config.js";
import { startAsTyped } from "../as-typed.js";
import type { TypedDocumentString } from "../graphql/graphql.js";
import { adminTokenFile, assertHttpUrl, dataDirAbove, localUrl, readAdminToken } from "./address.js";
import { NoResponse, UserError } from "./failure.js";

export interface ConnectionOptions {
  readonly url?: string;
  readonly token?: string;
}

/** Metrly's address and the caller's credential. */
export interface Connection {
  readonly url: string;
  readonly token: string;
  /** The data directory whose admin token it is; undefined: the caller gave it. */
  readonly tokenOf?: string;
  /** After which an answer is not waited for; undefined: for ever. */
  readonly timeoutMs?: number;
}

/** Flags first, then METRLY_URL and METRLY_TOKEN, then the Metrly of the data directory with its admin token. */
export async function findConnection(options: ConnectionOptions, env: Env): Promise<Connection> {
  const url = await findUrl(options, env);
  const given = options.token ?? env.METRLY_TOKEN;
  if (given !== undefined) return { url, token: given };
  const { dataDir } = parseConfig(env);
  return { url, token: await adminTokenOf(dataDir, env), tokenOf: dataDir };
}

/** Metrly's address alone, without a slash at its end. Throws `UserError`. */
export async function findUrl(options: ConnectionOptions, env: Env): Promise<string> {
  const config = parseConfig(env);
  const hasOwnToken = (options.token ?? env.METRLY_TOKEN) !== undefined;
  const url = options.url ?? env.METRLY_URL ?? (await localUrl(config, env, hasOwnToken));
  assertHttpUrl(url);
  return url.replace(/\/$/, "");
}

async function adminTokenOf(dataDir: string, env: Env): Promise<string> {
  const token = await readAdminToken(dataDir);
  if (token !== undefined) return token;
  const above = env.METRLY_DATA_DIR ? undefined : await dataDirAbove(dataDir);
  if (above !== undefined)
    throw new UserError(
      `Metrly's folder is ${path.dirname(above)}: run this command there, or set METRLY_DATA_DIR=${above}`,
    );
  throw new UserError(
    `There is no readable ${adminTokenFile(dataDir)}. Start Metrly here first (${startAsTyped()}), set METRLY_DATA_DIR to the data directory of one elsewhere, or pass --token or METRLY_TOKEN.`,
  );
}

interface GraphAnswer {
  readonly data?: unknown;
  readonly errors?: readonly {
    readonly message: string;
    readonly extensions?: {
      readonly code?: string;
      /** Every reason of an INVALID. */
      readonly errors?: readonly { readonly path: string; readonly detail: string }[];
    };
  }[];
}

/** Runs one GraphQL operation. Throws `NoResponse`, or `UserError` with the first error's code and message. */
export async function askGraph<Result, Variables>(
  connection: Connection,
  operation: TypedDocumentString<Result, Variables>,
  ...[variables]: Variables extends Record<string, never> ? [] : [Variables]
): Promise<Result> {
  return (await askText(connection, operation.toString(), variables ?? {})) as Result;
}

/** The same for an untyped operation. */
export async function askText(connection: Connection, query: string, variables: object): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`${connection.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${connection.token}` },
      body: JSON.stringify({ query, variables }),
      ...(connection.timeoutMs !== undefined && { signal: timeoutSignal(connection.timeoutMs) }),
    });
  } catch {
    throw new NoResponse(
      `No response from ${connection.url}. Is Metrly running? Start it with ${startAsTyped()}, or pass --url.`,
    );
  }
  const answer = await graphAnswerOf(response);
  const first = answer.errors?.[0];
  if (first === undefined) return answer.data;
  const { code, errors = [] } = first.extensions ?? {};
  const reasons = errors.map(({ path: at, detail }) => `${at}: ${detail}`);
  const message = reasons.length > 1 ? ["", ...reasons].join("\n  ") : ` ${first.message}`;
  const whose =
    code === "UNAUTHENTICATED" && connection.tokenOf !== undefined
      ? `\nThis used the admin token of ${connection.tokenOf}. For a Metrly with another data directory, set METRLY_DATA_DIR, or pass --token.`
      : "";
  throw new UserError(`${code ?? response.status}:${message}${whose}`, code);
}

/** A proxy in front may answer something else, or the answer may break off. */
async function graphAnswerOf(response: Response): Promise<GraphAnswer> {
  try {
    return (await response.json()) as GraphAnswer;
  } catch {
    throw new NoResponse(`${new URL(response.url).origin} answers ${response.status}, and no GraphQL.`);
  }
}
