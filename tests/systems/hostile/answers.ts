import { ERROR_CODES } from "#kernel/errors.js";

/** What a client got for one request. */
export interface Answer {
  readonly method: string;
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const isCode = (code: unknown): boolean => typeof code === "string" && Object.hasOwn(ERROR_CODES, code);
/** Node's stack traces, and paths of this installation. */
const REVEALING = /\n\s+at \S|node_modules|file:\/\/|\/dist\/|\.(?:js|ts):\d+:\d+/;

/** Lists and shows every code. */
const OPENAPI_DOCUMENT = '{"openapi":';

/**
 * What is wrong with an answer to any request whatever; undefined: nothing. An error is a problem document, or GraphQL's
 * errors, with a code of the closed list. A fault of the server (500) is always wrong, and so is a look into its inside.
 */
export function faultOf({ method, status, type, text }: Answer): string | undefined {
  if (REVEALING.test(text)) return `shows the inside of the server: ${text.slice(0, 300)}`;
  if (status === 500 || (text.includes('"INTERNAL"') && !text.startsWith(OPENAPI_DOCUMENT)))
    return `a fault of the server: ${text.slice(0, 300)}`;
  if (method === "HEAD") return undefined;
  if (status < 400) return graphqlFault(text);
  const body = parsed(text);
  if (body === undefined) return `an error ${status} that is not JSON: ${text.slice(0, 300)}`;
  if (type.startsWith("application/problem+json")) {
    return body.status === status && isCode(body.code) ? undefined : `no problem document: ${text.slice(0, 300)}`;
  }
  if (Array.isArray(body.errors)) return graphqlFault(text);
  // A denial of a quota is an answer, not an error.
  return body.allowed === false ? undefined : `an error ${status} without a code: ${type} ${text.slice(0, 300)}`;
}

function graphqlFault(text: string): string | undefined {
  const errors = parsed(text)?.errors;
  if (!Array.isArray(errors)) return undefined;
  const wrong = errors.find((error) => !isCode(error?.extensions?.code));
  return wrong === undefined ? undefined : `a GraphQL error without a code: ${JSON.stringify(wrong).slice(0, 300)}`;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
