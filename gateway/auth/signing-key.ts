import { readdirSync, statSync } from "node:fs";
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { hasCode, MetrlyError } from "#kernel/errors.js";
import { newUuid } from "#platform/lifecycle/random.js";
import { type Moment, momentNow, msSince, sleep } from "#platform/lifecycle/time.js";

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
/** A process looks into the folder again before it decides by an older view. */
const FRESH_MS = 300;
/** Nobody decides by an older view, also one that looks while the disk, or the process itself, stands still. */
export const VIEW_MS = 900;
/** From the deletion of a key until that is answered: every view that has the key is too old by then. */
const REVOKED_AFTER_MS = 1_000;
const MAX_TRIES = 5;

/** The signing key, and retired keys that only verify. Each is a file in one folder. */
export interface KeyRing {
  current(): Promise<SigningKey>;
  /** The current key first. */
  all(): Promise<readonly SigningKey[]>;
  find(id: string | undefined): Promise<SigningKey | undefined>;
  /** All of them, as the folder has them now. */
  read(): Promise<readonly SigningKey[]>;
  /** Creates a new signing key; the previous one still verifies. */
  rotate(): Promise<SigningKey>;
  /**
   * Deletes a retired key, which invalidates every token it signed; resolves a second later, when no process with the same folder
   * accepts one any more. False: there was no such key.
   */
  revoke(id: string): Promise<boolean>;
}

/**
 * Opens the folder's keys and creates the first if there is none; two processes that start concurrently on one folder use
 * the same key. Decides by a view of the folder of at most `VIEW_MS`, and throws UNAVAILABLE if it cannot have one.
 */
export async function openKeyRing(folder: string): Promise<KeyRing> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, CURRENT);
  if ((await readIfThere(file)) === undefined) await storeNewKey(file, "first");
  let view = await look(folder);
  let looking: Promise<void> | undefined;

  async function lookAgain(): Promise<void> {
    const next = await look(folder, view);
    if (msSince(next.at) < msSince(view.at)) view = next;
  }
  async function lookTogether(): Promise<void> {
    looking ??= lookAgain().finally(() => {
      looking = undefined;
    });
    await looking.catch((cause: unknown) => {
      throw unavailable(cause);
    });
  }
  const all = async (): Promise<View["keys"]> => {
    if (msSince(view.at) > FRESH_MS) await lookTogether();
    // It stood still meanwhile, or the disk did.
    for (let tries = 1; msSince(view.at) > VIEW_MS; tries += 1) {
      if (tries > MAX_TRIES) throw unavailable();
      await lookTogether();
    }
    return view.keys;
  };
  return {
    all,
    current: async () => (await all())[0],
    find: async (id) => (await all()).find((key) => key.id === id),
    async read() {
      await lookAgain();
      return view.keys;
    },
    async rotate() {
      const before = (await readKeys(folder))[0];
      // Archive first, then replace: a concurrent reader finds the key twice, never not at all.
      await link(file, path.join(folder, retiredFile(before.id))).catch(unlessThere);
      await storeNewKey(file, "next");
      await lookAgain();
      return view.keys[0];
    },
    async revoke(id) {
      const isThere = (await readKeys(folder)).slice(1).some((key) => key.id === id);
      if (isThere) await rm(path.join(folder, retiredFile(id)), { force: true });
      // Also if it is gone: another who revoked it may not have waited to the end.
      await sleep(REVOKED_AFTER_MS);
      return isThere;
    },
  };
}

/** What a process knows of the folder, and since when: it may have changed at any time after that. */
interface View {
  readonly keys: readonly [SigningKey, ...SigningKey[]];
  readonly at: Moment;
  /** Tells the folder's content from what it is after any change. */
  readonly content: string;
}

/** Synchronous but for a change: a few microseconds, a few times a second, and nothing can come between. */
async function look(folder: string, before?: View): Promise<View> {
  const at = momentNow();
  const { ino, ctimeNs } = statSync(path.join(folder, CURRENT), { bigint: true });
  const content = [ino, ctimeNs, ...readdirSync(folder).sort()].join(" ");
  return { keys: content === before?.content ? before.keys : await readKeys(folder), at, content };
}

const unavailable = (cause?: unknown): MetrlyError =>
  Object.assign(new MetrlyError("UNAVAILABLE", "The keys that sign tokens cannot be read", { retryAfterSeconds: 1 }), {
    cause,
  });

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
