import { sqlStateOf } from "#kernel/database-time.js";
import { ConfigError } from "#platform/process/config.js";

/** A user-facing failure: its message is printed without a stack. */
export class UserError extends Error {
  override readonly name = "UserError";
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
