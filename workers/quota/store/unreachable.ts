/** Thrown when quota's database does not answer, or refuses to work for now. */
export class DatabaseUnreachable extends Error {
  override readonly name = "DatabaseUnreachable";
}

/**
 * SQLSTATE classes and codes of a server that cannot work now: connection exceptions, insufficient resources, operator
 * intervention and limits of time, waits for locks, a standby's read-only transactions.
 */
const NOT_NOW = /^(?:08|53|57|55P03|25P0[34]|25006)/;

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
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  if ("severity" in error) return code !== undefined && NOT_NOW.test(code);
  return code !== undefined || Object.getPrototypeOf(error) === Error.prototype;
}
