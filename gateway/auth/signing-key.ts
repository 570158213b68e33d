import { link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { hasCode } from "#kernel/errors.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { monotonicMs } from "#platform/lifecycle/time.js";

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

const CURRENT = "token-signing.jwk.json";
const RETIRED = /^token-signing\.([\w-]+)\.retired\.jwk\.json$/;
const retiredFile = (id: string): string => `token-signing.${id}.retired.jwk.json`;
/** Maximum age of a process's view of the folder. */
const FRESH_MS = 300;

/** The signing key, and retired keys that only verify. Each is a file in one folder. */
export interface KeyRing {
  current(): Promise<SigningKey>;
  /** The current key first. */
  all(): Promise<readonly SigningKey[]>;
  find(id: string | undefined): Promise<SigningKey | undefined>;
  /** Creates a new signing key; the previous one still verifies. */
  rotate(): Promise<SigningKey>;
  /** Deletes a retired key, which invalidates every token it signed. False: no such key. */
  revoke(id: string): Promise<boolean>;
}

/**
 * Opens the folder's keys and creates the first if there is none; two processes that start concurrently on one folder use
 * the same key. Changes by other processes are seen within `FRESH_MS`.
 */
export async function openKeyRing(folder: string): Promise<KeyRing> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, CURRENT);
  if ((await readIfThere(file)) === undefined) await storeNewKey(file, "first");
  let known = await readKeys(folder);
  let readAtMs = monotonicMs();
  const reread = async () => {
    known = await readKeys(folder);
    readAtMs = monotonicMs();
  };
  const all = async (): Promise<readonly [SigningKey, ...SigningKey[]]> => {
    if (monotonicMs() - readAtMs > FRESH_MS) await reread();
    return known;
  };
  return {
    all,
    current: async () => (await all())[0],
    find: async (id) => (await all()).find((key) => key.id === id),
    async rotate() {
      const before = (await readKeys(folder))[0];
      // Archive first, then replace: a concurrent reader finds the key twice, never not at all.
      await link(file, path.join(folder, retiredFile(before.id))).catch(unlessThere);
      await storeNewKey(file, "next");
      await reread();
      return known[0];
    },
    async revoke(id) {
      const isThere = (await readKeys(folder)).slice(1).some((key) => key.id === id);
      if (isThere) await rm(path.join(folder, retiredFile(id)), { force: true });
      await reread();
      return isThere;
    },
  };
}

async function readKeys(folder: string): Promise<readonly [SigningKey, ...SigningKey[]]> {
  const current = await readKey(path.join(folder, CURRENT));
  const retired = (await readdir(folder)).filter((name) => RETIRED.test(name)).sort();
  const keys = await Promise.all(retired.map((name) => readKey(path.join(folder, name)).catch(unlessGone)));
  return [current, ...keys.filter((key) => key !== undefined && key.id !== current.id)] as [
    SigningKey,
    ...SigningKey[],
  ];
}

async function readKey(file: string): Promise<SigningKey> {
  const jwk = parseKey(await readFile(file, "utf8"), file);
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
    throw new Error(`${file} is not a P-256 private key in JWK form; delete it to create a new one`, { cause });
  }
}

async function importEcKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, SIGNING_ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError("a P-256 key is never symmetric");
  return key;
}

/** `first` never replaces an existing file, the first of two writers wins; `next` replaces it. Both are atomic. */
async function storeNewKey(file: string, as: "first" | "next"): Promise<void> {
  const { privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true });
  const { kty, crv, x, y, d } = await exportJWK(privateKey);
  const temporary = `${file}.${newUuid()}`;
  await writeFile(temporary, JSON.stringify({ kty, crv, x, y, d }), { mode: 0o600, flag: "wx" });
  if (as === "next") return rename(temporary, file);
  try {
    await link(temporary, file).catch(unlessThere);
  } finally {
    await rm(temporary);
  }
}

function unlessThere(error: unknown): void {
  if (!hasCode(error, "EEXIST")) throw error;
}

function unlessGone(error: unknown): undefined {
  if (!hasCode(error, "ENOENT")) throw error;
}

/** Undefined: no such file. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    return unlessGone(error);
  }
}
