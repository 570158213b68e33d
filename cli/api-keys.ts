import { nowMs } from "#platform/lifecycle/time.js";
import type { Env } from "#platform/process/config.js";
import { API_KEY_SCOPES } from "#schema/vocabulary.js";
import { asTyped } from "./as-typed.js";
import { askGraph, type ConnectionOptions, findConnection } from "./connection/connection.js";
import { naming, UserError } from "./connection/failure.js";
import type { ApiKeyScope, ApiKeysQuery } from "./graphql/graphql.js";
import { graphql } from "./graphql/index.js";
import { present, printRows, type ShowOptions, sayTimes, tenantsAdvice } from "./show/print.js";
import { type Column, shortTime } from "./show/table.js";
import { type OwnerOptions, ownerOf } from "./webhooks/owner.js";

const API_KEYS = graphql(`
  query ApiKeys($tenantId: ID!) {
    tenant(id: $tenantId) { apiKeys { id name prefix scopes createdAt expiresAt lastUsedAt revokedAt } }
  }
`);
const ISSUE = graphql(`
  mutation IssueApiKey($input: IssueApiKeyInput!) {
    issueApiKey(input: $input) { secret apiKey { id name scopes expiresAt } }
  }
`);
const ROTATE = graphql(`
  mutation RotateApiKey($id: ID!, $graceSeconds: Int!) {
    rotateApiKey(id: $id, graceSeconds: $graceSeconds) { secret apiKey { id name scopes expiresAt } }
  }
`);
const REVOKE = graphql(`
  mutation RevokeApiKey($id: ID!) { revokeApiKey(id: $id) { id revokedAt } }
`);

type ApiKey = NonNullable<ApiKeysQuery["tenant"]>["apiKeys"][number];

export async function listApiKeys(options: ShowOptions & { readonly tenant: string }, env: Env): Promise<void> {
  const { tenant } = await askGraph(await findConnection(options, env), API_KEYS, { tenantId: options.tenant });
  const optional = (name: string, timeOf: (key: ApiKey) => string | null): Column<ApiKey> => ({
    name,
    text: timeOf,
    short: (key) => shortOf(timeOf(key)),
  });
  const columns: Column<ApiKey>[] = [
    { name: "KEY", text: ({ id }) => id },
    { name: "NAME", text: ({ name }) => name, mayBeCut: true },
    { name: "SCOPES", text: ({ scopes }) => scopes.join(","), mayBeCut: true },
    optional("LAST USED", ({ lastUsedAt }) => lastUsedAt),
    optional("EXPIRES", ({ expiresAt }) => expiresAt),
    optional("REVOKED", ({ revokedAt }) => revokedAt),
  ];
  const { apiKeys } = present(tenant, options.tenant);
  await printRows(apiKeys, columns, options);
  if (apiKeys.length > 0) sayTimes(options);
}

const shortOf = (instant: string | null): string | null => (instant === null ? null : shortTime(instant, nowMs()));

export interface NewKey extends ConnectionOptions, OwnerOptions {
  readonly name: string;
  readonly scopes: string;
  readonly expires?: string;
  readonly json?: boolean;
}

/** Prints the secret alone, so that a shell can keep it; what is to be said goes to standard error. */
export async function issueApiKey(options: NewKey, env: Env): Promise<void> {
  const { tenant, name, expires } = options;
  const input = {
    ...{ ...ownerOf(options), name, scopes: scopesOf(options.scopes) },
    ...(expires !== undefined && { expiresAt: expires }),
  };
  const { issueApiKey: issued } = await naming(
    `tenant ${tenant}`,
    tenantsAdvice(),
    askGraph(await findConnection(options, env), ISSUE, { input }),
  );
  printSecret(issued, options);
}

export async function rotateApiKey(
  id: string,
  options: ConnectionOptions & { readonly grace?: string; readonly json?: boolean },
  env: Env,
): Promise<void> {
  const graceSeconds = Number(options.grace ?? 86_400);
  if (!Number.isInteger(graceSeconds)) throw new UserError(`--grace takes whole seconds, not "${options.grace}".`);
  const { rotateApiKey: issued } = await naming(
    `API key ${id}`,
    keysAdvice(),
    askGraph(await findConnection(options, env), ROTATE, { id, graceSeconds }),
  );
  printSecret(issued, options);
}

export async function revokeApiKey(
  id: string,
  options: ConnectionOptions & { readonly json?: boolean },
  env: Env,
): Promise<void> {
  const { revokeApiKey: revoked } = await naming(
    `API key ${id}`,
    keysAdvice(),
    askGraph(await findConnection(options, env), REVOKE, { id }),
  );
  process.stdout.write(options.json ? `${JSON.stringify(revoked)}\n` : `${revoked.id} is revoked\n`);
}

const keysAdvice = (): string => `List them: ${asTyped("api-keys list --tenant ID")}`;

function scopesOf(text: string): ApiKeyScope[] {
  const scopes = text.split(",").map((scope) => scope.trim().toUpperCase());
  const unknown = scopes.find((scope) => !isScope(scope));
  if (unknown !== undefined)
    throw new UserError(`There is no scope "${unknown}". Scopes: ${API_KEY_SCOPES.join(", ").toLowerCase()}.`);
  return scopes.filter(isScope);
}

const isScope = (text: string): text is ApiKeyScope => API_KEY_SCOPES.some((scope) => scope === text);

function printSecret(
  issued: { readonly secret: string; readonly apiKey: { readonly id: string } },
  { json }: { readonly json?: boolean },
): void {
  process.stdout.write(`${json ? JSON.stringify(issued) : issued.secret}\n`);
  if (!json) process.stderr.write(`${issued.apiKey.id}: the secret is shown only now.\n`);
}
