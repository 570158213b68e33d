import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import type { Env } from "#platform/process/config.js";
import { asTyped } from "../as-typed.js";
import { askText, type ConnectionOptions, findConnection } from "./connection.js";
import { UserError } from "./failure.js";

export interface AskOptions extends ConnectionOptions {
  readonly variables?: string;
  readonly file?: string;
}

/** `metrly graph`: runs any operation. */
export async function askAnything(query: string | undefined, options: AskOptions, env: Env): Promise<void> {
  const asked = query ?? (options.file === undefined ? await typed() : await written(options.file));
  if (asked.trim() === "")
    throw new UserError(`There is no operation. Example: ${asTyped("graph '{ viewer { kind roles } }'")}`);
  const connection = await findConnection(options, env);
  const data = await askText(connection, asked, parsed(options.variables)).catch((error: unknown) => {
    if (error instanceof UserError && error.code === "GRAPHQL_VALIDATION_FAILED")
      error.message += `\nEvery type and field: the explorer, ${connection.url}/`;
    throw error;
  });
  process.stdout.write(`${JSON.stringify(data, null, process.stdout.isTTY ? 2 : undefined)}\n`);
}

async function written(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    throw new UserError(`There is no readable file ${file}.`);
  }
}

async function typed(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write("Type a GraphQL operation, then Ctrl-D. Example: { viewer { id } }\n");
  return text(process.stdin);
}

function parsed(variables = "{}"): object {
  try {
    const value: unknown = JSON.parse(variables);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Reported below.
  }
  throw new UserError(`--variables takes a JSON object, for example '{"tenantId":"acme"}'.`);
}
