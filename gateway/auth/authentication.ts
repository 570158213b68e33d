import { isDeepStrictEqual } from "node:util";
import { decodeJwt } from "jose";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { authenticateApiKey, bearerToken, identityOfKey } from "#platform/auth/api-keys.js";
import { onceCaughtUp } from "#platform/tenancy-client/caught-up.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { Identity } from "#schema/policy.js";
import type { ExternalIssuer } from "./external-issuer.js";
import type { TokenIssuer } from "./token-issuer.js";

export interface Session {
  readonly identity: Identity;
  /**
   * Throws UNAUTHENTICATED once the key or the key that signed the token is revoked, the credential has expired, or its rights
   * have changed: for long-lived connections.
   */
  assertValid(): Promise<void>;
}

export interface Authentication {
  /** Parses an `Authorization` header. Throws UNAUTHENTICATED, or UNAVAILABLE while keys cannot be checked. */
  authenticate(authorization: string | undefined): Promise<Session>;
}

export interface AuthenticationOptions {
  readonly tenancy: TenancyCopy;
  readonly issuer: TokenIssuer;
  readonly clock: Clock;
  /** An external provider whose tokens are accepted; undefined: only our own. */
  readonly external?: ExternalIssuer | undefined;
}

export function createAuthentication({ tenancy, issuer, clock, external }: AuthenticationOptions): Authentication {
  return {
    async authenticate(authorization) {
      const secret = bearerToken(authorization);
      return secret.startsWith("mtr_") ? sessionOfKey(secret) : sessionOfToken(secret);
    },
  };

  /** A stale copy of tenancy may miss a revocation: the graph fails closed. */
  async function sessionOfKey(secret: string): Promise<Session> {
    const judge = (): Identity => {
      if (tenancy.isStale())
        throw new MetrlyError("UNAVAILABLE", "API keys cannot be checked: the copy of tenancy is stale");
      return identityOfKey(authenticateApiKey(tenancy, clock, secret));
    };
    const identity = await onceCaughtUp(tenancy, judge);
    return {
      identity,
      async assertValid() {
        if (!isDeepStrictEqual(judge(), identity))
          throw new MetrlyError("UNAUTHENTICATED", "The rights of the key have changed: reconnect");
      },
    };
  }

  async function sessionOfToken(token: string): Promise<Session> {
    const judge = external !== undefined && issuerOf(token) === external.issuer ? external : issuer;
    return judge.verify(token);
  }
}

/** The unverified issuer of a token; it only selects the keys that verify the token. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

/** The anonymous caller: in demo mode the explorer may read the schema before sign-in. */
export const ANONYMOUS: Identity = { kind: "USER", id: "anonymous", tenantId: null, roles: [], scopes: [] };
