import { createSecretKey } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import { LRUCache } from "lru-cache";
import { MetrlyError, messageOf } from "#kernel/errors.js";
import { nowMs } from "#platform/lifecycle/time.js";
import { type Identity, parseIdentity } from "#schema/policy.js";

/** Signs the caller's identity for one receiver and a short time, so that services need not trust their network. */
export interface IdentityTokens {
  sign(identity: Identity, audience: string): Promise<string>;
  /** Throws UNAUTHENTICATED for a token that is missing, forged, expired or for another service. */
  verify(token: string | undefined, audience: string): Promise<Identity>;
}

const ISSUER = "metrly-internal";
const LIFETIME_SECONDS = 60;
/** How often the same identity for the same receiver is signed again: signing costs more than most operations. */
const SIGNED_FOR_MS = 15_000;
/** Bounds the cache, on either side. */
const MAX_KEPT = 1_000;

interface Verified {
  readonly identity: Identity;
  readonly expiresAtMs: number;
}

export function createIdentityTokens(secret: string): IdentityTokens {
  const key = createSecretKey(Buffer.from(secret, "utf8"));
  const signed = new LRUCache<string, Promise<string>>({ max: MAX_KEPT, ttl: SIGNED_FOR_MS });
  const verified = new LRUCache<string, Verified>({ max: MAX_KEPT });

  const signAnew = (identity: Identity, audience: string): Promise<string> =>
    new SignJWT({ identity })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer(ISSUER)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(`${LIFETIME_SECONDS}s`)
      .sign(key);

  async function verifyAnew(token: string, audience: string): Promise<Verified> {
    try {
      const { payload } = await jwtVerify(token, key, { issuer: ISSUER, audience, algorithms: ["HS256"] });
      return { identity: parseIdentity(payload.identity), expiresAtMs: (payload.exp ?? 0) * 1_000 };
    } catch (error) {
      throw new MetrlyError("UNAUTHENTICATED", `The internal identity was refused: ${messageOf(error)}`);
    }
  }

  return {
    sign(identity, audience) {
      const whom = JSON.stringify([audience, identity]);
      const known = signed.get(whom);
      if (known !== undefined) return known;
      const token = signAnew(identity, audience);
      signed.set(whom, token);
      return token;
    },
    async verify(token, audience) {
      if (token === undefined || token === "")
        throw new MetrlyError("UNAUTHENTICATED", "No internal identity was sent");
      const which = `${audience} ${token}`;
      const known = verified.get(which);
      if (known !== undefined && nowMs() < known.expiresAtMs) return known.identity;
      const judged = await verifyAnew(token, audience);
      verified.set(which, judged);
      return judged.identity;
    },
  };
}

/** Who shares limits with others of its operations: a tenant, or a caller of the platform. */
export const callerOf = ({ tenantId, kind, id }: Identity): string =>
  tenantId === null ? `platform ${kind} ${id}` : `tenant ${tenantId}`;

/** The identity of a service that calls another service's internal API. */
export const serviceIdentity = (service: string): Identity => ({
  kind: "SERVICE",
  id: service,
  tenantId: null,
  roles: ["PLATFORM_ADMIN"],
  scopes: [],
});
