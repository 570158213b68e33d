import { readFile } from "node:fs/promises";
import path from "node:path";
import pg from "pg";
import { packageRoot } from "#platform/process/package-root.js";

const SCRIPTS = ["1-own-database.sql", "2-password.sql"];

/** Runs the scripts of deploy/postgres on a server like the image's psql, with the service's environment. */
export async function createOwnDatabase(superuserUrl: string, env: Readonly<Record<string, string>>): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    for (const script of SCRIPTS)
      for (const statement of await statementsOf(script, env)) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The subset of psql that the scripts use: comments, `\getenv`, `\set` with a file's text, `:"name"` and `:'name'`. */
async function statementsOf(script: string, env: Readonly<Record<string, string>>): Promise<string[]> {
  const text = await readFile(path.join(packageRoot(), "deploy/postgres", script), "utf8");
  const variables = new Map<string, string>();
  const statements: string[] = [];
  for (const line of text.split("\n")) {
    const [, got, variable = ""] = /^\\getenv (\w+) (\w+)$/.exec(line) ?? [];
    const [, set, file = ""] = /^\\set (\w+) `cat "\$(\w+)"`$/.exec(line) ?? [];
    if (got !== undefined) variables.set(got, present(env, variable));
    else if (set !== undefined) variables.set(set, (await readFile(present(env, file), "utf8")).trimEnd());
    else if (!line.startsWith("--")) statements.push(line);
  }
  const sql = statements.join("\n").replaceAll(/:(["'])(\w+)\1/g, (_, quote: string, name: string) => {
    const value = variables.get(name);
    if (value === undefined) throw new Error(`${script} does not set ${name}`);
    return quote === '"' ? pg.escapeIdentifier(value) : pg.escapeLiteral(value);
  });
  return sql.split(/;\s*\n/).filter((statement) => statement.trim() !== "");
}

function present(env: Readonly<Record<string, string>>, variable: string): string {
  const value = env[variable];
  if (value === undefined) throw new Error(`the database's service does not set ${variable}`);
  return value;
}
