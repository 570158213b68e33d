import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";

export const SIGNING_ALGORITHM = "ES256";

export interface SigningKey {
  readonly id: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
}

const StoredKey = Type.Object({
  kty: Type.Literal("EC"),
  crv: Type.Literal("P-256"),
  x: Type.String(),
  y: Type.String(),
  d: Type.String(),
});

/** Reads the key, or makes one; of two processes that start at once on one directory both use the same. */
export async function signingKey(folder: string): Promise<SigningKey> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, "token-signing.jwk.json");
  const stored = (await readIfThere(file)) ?? (await storeNewKey(file));
  const jwk = parseKey(stored, file);
  const { d: _, ...publicJwk } = jwk;
  return {
    id: await calculateJwkThumbprint(publicJwk),
    privateKey: await importEcKey(jwk),
    publicKey: await importEcKey(publicJwk),
    publicJwk,
  };
}

function parseKey(text: string, file: string) {
  try {
    return Value.Parse(StoredKey, JSON.parse(text));
  } catch (cause) {
    throw new Error(`${file} is not a P-256 private key in JWK form; delete it to have a new one made`, { cause });
  }
}

async function importEcKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, SIGNING_ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError("a P-256 key is never symmetric");
  return key;
}

async function storeNewKey(file: string): Promise<string> {
  const { privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true });
  const { kty, crv, x, y, d } = await exportJWK(privateKey);
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify({ kty, crv, x, y, d }), { mode: 0o600, flag: "wx" });
  try {
    // A hard link never replaces what is there: the first of two wins, whole.
    await link(temporary, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary);
  }
  return readFile(file, "utf8");
}

/** Undefined: there is no such file. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
