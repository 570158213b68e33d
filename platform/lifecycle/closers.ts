/** Registers a close function for an opened resource. */
export type OnStop = (close: () => Promise<unknown>) => void;

/**
 * Opens resources that are closed together, in reverse order. `stop` closes all of them and then throws what failed. When
 * opening fails, closes those already open; failures of that go to `onCloseError`.
 */
export async function openTogether<T>(
  open: (onStop: OnStop) => Promise<T>,
  onCloseError: (error: unknown) => void,
): Promise<T & { readonly stop: () => Promise<void> }> {
  const closers: (() => Promise<unknown>)[] = [];
  let stopping: Promise<void> | undefined;
  async function closeAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const close of closers.splice(0).reverse()) await close().catch((error: unknown) => errors.push(error));
    if (errors.length > 0)
      throw errors.length === 1 ? errors[0] : new AggregateError(errors, "several parts did not close");
  }
  const stop = (): Promise<void> => {
    stopping ??= closeAll();
    return stopping;
  };
  try {
    return { ...(await open((close) => closers.push(close))), stop };
  } catch (error) {
    await stop().catch(onCloseError);
    throw error;
  }
}
