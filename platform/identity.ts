import { createSecretKey } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import { MetrlyError } from "#kernel/errors.js";
import { type Identity, parseIdentity } from "#schema/policy.js";

/** Signs who is asking, for one receiver and a short time, so that rooms need not trust the network between them. */
export interface IdentityTokens {
  sign(identity: Identity, audience: string): Promise<string>;
  /** Throws UNAUTHENTICATED for a token that is missing, forged, expired or meant for another room. */
  verify(token: string | undefined, audience: string): Promise<Identity>;
}

const ISSUER = "metrly-internal";
const LIFETIME = "60s";

export function createIdentityTokens(secret: string): IdentityTokens {
  const key = createSecretKey(Buffer.from(secret, "utf8"));
  return {
    sign: (identity, audience) =>
      new SignJWT({ identity })
        .setProtectedHeader({ alg: "HS256" })
        .setIssuer(ISSUER)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(LIFETIME)
        .sign(key),
    async verify(token, audience) {
      if (token === undefined || token === "")
        throw new MetrlyError("UNAUTHENTICATED", "No internal identity was sent");
      try {
        const { payload } = await jwtVerify(token, key, { issuer: ISSUER, audience, algorithms: ["HS256"] });
        return parseIdentity(payload.identity);
      } catch (error) {
        throw new MetrlyError(
          "UNAUTHENTICATED",
          `The internal identity was refused: ${error instanceof Error ? error.message : error}`,
        );
      }
    },
  };
}

/** Who a room is when it calls another room's internal API. */
export const roomIdentity = (room: string): Identity => ({
  kind: "SERVICE",
  id: room,
  tenantId: null,
  roles: ["PLATFORM_ADMIN"],
  scopes: [],
});
