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
  const asked = query ?? (options.file === undefined ? await typed() : await readFile(options.file, "utf8"));
  if (asked.trim() === "")
    throw new UserError(`There is no operation. Example: ${asTyped("graph '{ viewer { kind roles } }'")}`);
  const data = await askText(await findConnection(options, env), asked, parsed(options.variables));
  process.stdout.write(`${JSON.stringify(data, null, process.stdout.isTTY ? 2 : undefined)}\n`);
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
