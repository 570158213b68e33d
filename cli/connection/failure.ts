import { ConfigError } from "#platform/process/config.js";

/** A user-facing failure: its message is printed without a stack. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Prints the message of a user-facing failure, the stack of a bug, and sets exit code 1. */
export function reportFailure(error: unknown): void {
  process.exitCode = 1;
  if (error instanceof UserError || error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}
