/** Registers how to close what was just opened. */
export type OnStop = (close: () => Promise<unknown>) => void;

/**
 * Opens several things that are closed together, in reverse order. `stop` closes all of them, whatever fails, and then throws
 * what failed. When opening fails, what was opened is closed again.
 */
export async function openTogether<T>(
  open: (onStop: OnStop) => Promise<T>,
): Promise<T & { readonly stop: () => Promise<void> }> {
  const closers: (() => Promise<unknown>)[] = [];
  async function stop(): Promise<void> {
    const errors: unknown[] = [];
    for (const close of closers.splice(0).reverse()) await close().catch((error: unknown) => errors.push(error));
    if (errors.length > 0)
      throw errors.length === 1 ? errors[0] : new AggregateError(errors, "several parts did not close");
  }
  try {
    return { ...(await open((close) => closers.push(close))), stop };
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}
