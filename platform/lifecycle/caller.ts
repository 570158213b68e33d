import { AsyncLocalStorage } from "node:async_hooks";

const callers = new AsyncLocalStorage<string>();

/** Runs work for a caller, a tenant for example: what it shares with others' work it takes in the caller's turn. */
export const onBehalfOf = <Result>(caller: string, work: () => Result): Result => callers.run(caller, work);

/** Whom the running work is for; undefined: the process itself. */
export const currentCaller = (): string | undefined => callers.getStore();
