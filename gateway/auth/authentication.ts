import { decodeJwt } from "jose";
import type { Clock } from "#kernel/clock.js";
import { MetrlyError } from "#kernel/errors.js";
import { authenticateApiKey, bearerToken, identityOfKey } from "#platform/auth/api-keys.js";
import type { TenancyCopy } from "#platform/tenancy-client/copy.js";
import type { Identity } from "#schema/policy.js";
import type { ExternalIssuer } from "./external-issuer.js";
import type { TokenIssuer } from "./token-issuer.js";

/** Someone who has shown who they are. */
export interface Session {
  readonly identity: Identity;
  /** Throws UNAUTHENTICATED once the key is revoked or anything expired: for connections that outlive their first request. */
  assertValid(): void;
}

export interface Authentication {
  /** Of an `Authorization` header's text. Throws UNAUTHENTICATED, or UNAVAILABLE while keys cannot be judged. */
  authenticate(authorization: string | undefined): Promise<Session>;
}

export interface AuthenticationOptions {
  readonly tenancy: TenancyCopy;
  readonly issuer: TokenIssuer;
  readonly clock: Clock;
  /** A provider whose tokens are good as well; undefined: only our own are. */
  readonly external?: ExternalIssuer | undefined;
}

export function createAuthentication({ tenancy, issuer, clock, external }: AuthenticationOptions): Authentication {
  return {
    async authenticate(authorization) {
      const secret = bearerToken(authorization);
      return secret.startsWith("mtr_") ? sessionOfKey(secret) : sessionOfToken(secret);
    },
  };

  /** A copy of tenancy that has heard nothing for long may not know of a revocation: the graph fails closed. */
  function sessionOfKey(secret: string): Session {
    const judge = (): Identity => {
      if (tenancy.isStale())
        throw new MetrlyError("UNAVAILABLE", "API keys cannot be judged now: tenancy's log is silent");
      return identityOfKey(authenticateApiKey(tenancy, clock, secret));
    };
    return { identity: judge(), assertValid: () => void judge() };
  }

  async function sessionOfToken(token: string): Promise<Session> {
    const judge = external !== undefined && issuerOf(token) === external.issuer ? external : issuer;
    const { identity, expiresAtMs } = await judge.verify(token);
    return {
      identity,
      assertValid() {
        if (clock.now() >= expiresAtMs) throw new MetrlyError("UNAUTHENTICATED", "The token is expired");
      },
    };
  }
}

/** Who a token says it is from, unchecked: it decides only whose keys must check it. */
function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

/** Who has shown nothing: in demo mode the explorer may read the schema before anyone signs in. */
export const ANONYMOUS: Identity = { kind: "USER", id: "anonymous", tenantId: null, roles: [], scopes: [] };
