import { sqlStateOf } from "#kernel/database-time.js";
import { ConfigError } from "#platform/process/config-error.js";

/** A user-facing failure: its message is printed without a stack. */
export class UserError extends Error {
  override readonly name: string = "UserError";
  /** Of the closed list of errors, if it is the server's. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

/** The server does not answer: a later attempt may succeed. */
export class NoResponse extends UserError {
  override readonly name = "NoResponse";
}

/** Names what was asked for where the server answers NOT_FOUND: it does not say which id it means. */
export async function naming<T>(thing: string, advice: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== "NOT_FOUND") throw error;
    throw new UserError(`NOT_FOUND: There is no ${thing}. ${advice}`, error.code);
  }
}

/** Of the operating system, or PostgreSQL's refusal of a login or a database. */
function isOutside(error: unknown): error is Error {
  const isRefusal = /^(?:28|3D)/.test(sqlStateOf(error) ?? "");
  return isRefusal || (error instanceof Error && "syscall" in error && typeof error.syscall === "string");
}

/**
 * Prints the message of a user-facing failure, or of one outside the process (a server or file that a setting names); the stack
 * of a bug; and sets exit code 1.
 */
export function reportFailure(error: unknown): void {
  process.exitCode = 1;
  if (error instanceof UserError || error instanceof ConfigError || isOutside(error))
    process.stderr.write(`${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}
