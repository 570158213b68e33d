import { SignJWT } from "jose";
import { expect, test } from "vitest";
import { createIdentityTokens, serviceIdentity } from "./identity.js";

const SECRET = "s".repeat(32);

test("an identity survives signing, for its audience only", async () => {
  const tokens = createIdentityTokens(SECRET);
  const token = await tokens.sign(serviceIdentity("billing"), "ingestion");
  expect(await tokens.verify(token, "ingestion")).toEqual(serviceIdentity("billing"));
  await expect(tokens.verify(token, "quota")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("a missing, forged, unsigned or expired token is refused", async () => {
  const tokens = createIdentityTokens(SECRET);
  const forged = await createIdentityTokens("f".repeat(32)).sign(serviceIdentity("billing"), "ingestion");
  const unsigned = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from("{}").toString("base64url")}.`;
  const expired = await new SignJWT({ identity: serviceIdentity("billing") })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer("metrly-internal")
    .setAudience("ingestion")
    .setExpirationTime(1)
    .sign(Buffer.from(SECRET));
  for (const token of [undefined, "", "x", forged, unsigned, expired]) {
    await expect(tokens.verify(token, "ingestion")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  }
});
