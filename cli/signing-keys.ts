import { type Env, parseConfig } from "#platform/process/config.js";
import { asTyped } from "./as-typed.js";
import { assertDataDir } from "./connection/address.js";
import { UserError } from "./connection/failure.js";
import { openTokenKeys, renewAdminToken } from "./roles.js";
import { printRows, type RowOptions } from "./show/print.js";
import type { Column } from "./show/table.js";

/** `metrly signing-keys`: the keys that sign tokens, from the local data directory. */
export async function listKeys(options: RowOptions, env: Env): Promise<void> {
  const keys = (await (await ring(env)).all()).map(({ id }, index) => ({ id, signs: index === 0 }));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(keys)}\n`);
    return;
  }
  const columns: Column<(typeof keys)[number]>[] = [
    { name: "KEY", text: ({ id }) => id },
    { name: "USE", text: ({ signs }) => (signs ? "signs" : "verifies only") },
  ];
  await printRows(keys, columns, options);
}

export async function rotateKeys(env: Env): Promise<void> {
  const { id } = await (await ring(env)).rotate();
  await renewAdminToken(parseConfig(env).dataDir);
  process.stdout.write(
    `${id} signs from now on. Tokens of the previous key stay valid until: ${asTyped("signing-keys revoke ID")}\n`,
  );
}

/** `metrly signing-keys revoke`: invalidates every token of a retired key, on every gateway when it returns. */
export async function revokeKey(id: string, env: Env): Promise<void> {
  const keys = await ring(env);
  if ((await keys.current()).id === id)
    throw new UserError(`This is the signing key. Replace it first: ${asTyped("signing-keys rotate")}`);
  if (!(await keys.revoke(id)))
    throw new UserError(`NOT_FOUND: There is no key ${id}. List them: ${asTyped("signing-keys")}`);
  await renewAdminToken(parseConfig(env).dataDir);
  process.stdout.write(`Tokens signed by ${id} are no longer valid\n`);
}

/** Opening them would create the first one. */
async function ring(env: Env) {
  const { dataDir } = parseConfig(env);
  assertDataDir(dataDir);
  return openTokenKeys(dataDir);
}
