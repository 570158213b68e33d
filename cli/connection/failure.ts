import { ConfigError } from "#platform/process/config.js";

/** A failure whose message is all that a person needs: printed without a stack. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** Prints one clear sentence for what a person can mend, the stack for a bug, and sets exit code 1. */
export function reportFailure(error: unknown): void {
  process.exitCode = 1;
  if (error instanceof Refusal || error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}
