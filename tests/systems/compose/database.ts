import { readFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { packageRoot } from "#platform/process/package-root.js";

/** Runs deploy/postgres/own-database.sql on a server like the image's psql, with the service's environment. */
export async function createOwnDatabase(superuserUrl: string, env: Readonly<Record<string, string>>): Promise<void> {
  const script = await readFile(path.join(packageRoot(), "deploy/postgres/own-database.sql"), "utf8");
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    for (const statement of statementsOf(script, env)) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The subset of psql that the script uses: comments, `\getenv`, `:"name"` and `:'name'`. */
function statementsOf(script: string, env: Readonly<Record<string, string>>): string[] {
  const variables = new Map<string, string>();
  const lines = script.split("\n").filter((line) => {
    const [, name, variable] = /^\\getenv (\w+) (\w+)$/.exec(line) ?? [];
    if (name !== undefined && variable !== undefined) variables.set(name, present(env, variable));
    return name === undefined && !line.startsWith("--");
  });
  const sql = lines.join("\n").replaceAll(/:(["'])(\w+)\1/g, (_, quote: string, name: string) => {
    const value = variables.get(name);
    if (value === undefined) throw new Error(`own-database.sql does not set ${name}`);
    return quote === '"' ? pg.escapeIdentifier(value) : pg.escapeLiteral(value);
  });
  return sql.split(/;\s*\n/).filter((statement) => statement.trim() !== "");
}

function present(env: Readonly<Record<string, string>>, variable: string): string {
  const value = env[variable];
  if (value === undefined) throw new Error(`the database's service does not set ${variable}`);
  return value;
}
