import { isNotNow } from "#kernel/database-time.js";

/** Thrown when quota's database does not answer, or refuses to work for now. */
export class DatabaseUnreachable extends Error {
  override readonly name = "DatabaseUnreachable";
}

/** Runs a statement or a transaction. What the server did not answer is `DatabaseUnreachable`, other errors stay as they are. */
export async function answered<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    throw new DatabaseUnreachable("quota's database does not answer", { cause: error });
  }
}

/** The server's answers have a severity. Of the driver's own errors some have a system code; plain errors are broken connections. */
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("severity" in error) return isNotNow(error);
  return ("code" in error && typeof error.code === "string") || Object.getPrototypeOf(error) === Error.prototype;
}
