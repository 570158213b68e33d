import { POLICY } from "#schema/policy.js";
import type { ApiKeyScope, Role } from "#schema/vocabulary.js";
import type { TokenRequest } from "../../../gateway/auth/token-issuer.js";

/** A kind of caller; `bound` ones belong to the tenant "own". */
export interface Asker {
  readonly name: string;
  readonly bound: boolean;
  /** The caller's role in the policy: written here, not computed by the product. */
  readonly rank: "NOBODY" | "AUTHENTICATED" | "TENANT_VIEWER" | "TENANT_ADMIN" | "PLATFORM_ADMIN";
  readonly credential:
    | { readonly kind: "none" }
    | { readonly kind: "admin-token" }
    | { readonly kind: "token"; readonly roles: readonly Role[] }
    | { readonly kind: "key"; readonly scopes: readonly ApiKeyScope[] };
}

const token = (role: Role, rank: Asker["rank"]): Asker => ({
  name: `${role} of own`,
  bound: true,
  rank,
  credential: { kind: "token", roles: [role] },
});
const key = (scope: ApiKeyScope, bound: boolean, rank: Asker["rank"]): Asker => ({
  name: `${bound ? "own's" : "platform"} ${scope} key`,
  bound,
  rank,
  credential: { kind: "key", scopes: [scope] },
});

export const ASKERS: readonly Asker[] = [
  { name: "nobody", bound: false, rank: "NOBODY", credential: { kind: "none" } },
  { name: "PLATFORM_ADMIN", bound: false, rank: "PLATFORM_ADMIN", credential: { kind: "admin-token" } },
  token("TENANT_ADMIN", "TENANT_ADMIN"),
  token("TENANT_VIEWER", "TENANT_VIEWER"),
  key("INGEST", true, "AUTHENTICATED"),
  key("QUOTA", true, "AUTHENTICATED"),
  key("READ", true, "TENANT_VIEWER"),
  key("ADMIN", true, "TENANT_ADMIN"),
  key("INGEST", false, "AUTHENTICATED"),
  key("QUOTA", false, "AUTHENTICATED"),
  key("READ", false, "TENANT_VIEWER"),
  key("ADMIN", false, "PLATFORM_ADMIN"),
];

const RANKS = ["AUTHENTICATED", "TENANT_VIEWER", "TENANT_ADMIN", "PLATFORM_ADMIN"] as const;

export const reaches = (asker: Asker, operation: keyof typeof POLICY): boolean =>
  asker.rank !== "NOBODY" && RANKS.indexOf(asker.rank) >= RANKS.indexOf(POLICY[operation]);

/** Signs a token as the system under test does. */
export type IssueToken = (request: TokenRequest) => Promise<string>;
