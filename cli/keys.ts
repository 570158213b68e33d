import { parseConfig } from "#platform/process/config.js";
import { Refusal } from "./connection/failure.js";
import { openTokenKeys, renewAdminToken } from "./roles.js";

type Env = Readonly<Record<string, string | undefined>>;

/** The keys that sign tokens: `metrly keys`, on the machine whose data directory has them. Running gateways follow within seconds. */
export async function listKeys(options: { readonly json?: boolean }, env: Env): Promise<void> {
  const keys = await (await ring(env)).all();
  const told = keys.map(({ id }, index) => ({ id, signs: index === 0 }));
  const text = told.map(({ id, signs }) => `${id}\t${signs ? "signs" : "judges what it signed"}`).join("\n");
  process.stdout.write(`${options.json === true ? JSON.stringify(told) : text}\n`);
}

/** `metrly keys rotate`: tokens that are out stay good. */
export async function rotateKeys(env: Env): Promise<void> {
  const { id } = await (await ring(env)).rotate();
  await renewAdminToken(parseConfig(env).dataDir);
  process.stdout.write(`${id} signs from now on. Tokens of the key before stay good until: metrly keys revoke ID\n`);
}

/** `metrly keys revoke`: no token of a retired key is good any more. */
export async function revokeKey(id: string, env: Env): Promise<void> {
  const keys = await ring(env);
  if ((await keys.current()).id === id)
    throw new Refusal("This key signs. Put another in its place first: metrly keys rotate");
  if (!(await keys.revoke(id))) throw new Refusal(`NOT_FOUND: There is no key ${id}. List them: metrly keys`);
  await renewAdminToken(parseConfig(env).dataDir);
  process.stdout.write(`Nothing that ${id} signed is good any more\n`);
}

const ring = (env: Env) => openTokenKeys(parseConfig(env).dataDir);
