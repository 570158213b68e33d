import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";

/** How this process was started. */
export interface Start {
  /** The script's path as it was given to Node: a link of an installation stays a link. */
  readonly script: string;
  readonly cwd: string;
  readonly env: { readonly PATH?: string | undefined; readonly npm_lifecycle_event?: string | undefined };
}

/**
 * A command of `metrly` as its reader can type it where this one was started: `npx metrly tenants list` after npx or `npm start`,
 * `metrly tenants list` if that is on the PATH, else with the script's path.
 */
export function asTyped(command: string, start: Start = thisProcess()): string {
  return `${programOf(start)} ${command}`;
}

/** The setting that a command needs to mean the data directory of this process, with a space behind it; empty for the default one. */
export function dataDirSetting({ METRLY_DATA_DIR: dir }: NodeJS.ProcessEnv = process.env): string {
  return dir === undefined || !/^[\w/.-]+$/.test(dir) ? "" : `METRLY_DATA_DIR=${dir} `;
}

/** How the whole system is started where this one was: `npm start` in a checkout. */
export function startAsTyped(start: Start = thisProcess(), root: string = packageRoot()): string {
  return start.cwd === root && programOf(start) === "npx metrly" ? "npm start" : asTyped("serve", start);
}

const thisProcess = (): Start => ({ script: process.argv[1] ?? "metrly", cwd: process.cwd(), env: process.env });

function programOf({ script, cwd, env }: Start): string {
  const folder = path.dirname(script);
  const isLink = path.basename(script) === "metrly";
  // npm puts the links of a project on the PATH of what it runs, and of nothing else.
  const byNpm = env.npm_lifecycle_event !== undefined;
  const isOnPath = (env.PATH ?? "").split(path.delimiter).includes(folder);
  if (isLink && isOnPath && !(byNpm && folder.endsWith(LINKS))) return "metrly";
  if (byNpm) return "npx metrly";
  const near = path.relative(cwd, script);
  const shown = near.startsWith("..") ? script : near;
  const word = /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
  return isLink ? word.replace(/^(?=[^/']+$)/, "./") : `node ${word}`;
}

const LINKS = path.join("node_modules", ".bin");
