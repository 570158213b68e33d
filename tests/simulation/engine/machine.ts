import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

/** The machine as one simulated process has it. */
export interface OwnMachine {
  now(): number;
  after(ms: number, run: () => void): { cancel(): void };
  /** Uniform in [0, 1). */
  fraction(): number;
}

/**
 * Gives the code that runs in a simulated process that process's time, timers and random bytes also where it takes them from the
 * machine by itself, as libraries do (Prisma) and as secrets do. Everything else keeps the machine's. The answer puts them back.
 */
export function replaceMachine(own: () => OwnMachine | undefined): () => void {
  const machine = { setTimeout, clearTimeout, Date, randomBytes: crypto.randomBytes };
  const timers = new WeakMap<object, { cancel(): void }>();

  function setOwnTimeout(run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): object {
    const process = own();
    if (process === undefined) return machine.setTimeout(run, ms, ...args);
    const timer = { ref: () => timer, unref: () => timer, hasRef: () => false };
    timers.set(
      timer,
      process.after(ms, () => run(...args)),
    );
    return timer;
  }

  function clearOwnTimeout(timer?: unknown): void {
    const known = typeof timer === "object" && timer !== null ? timers.get(timer) : undefined;
    if (known === undefined) machine.clearTimeout(timer as NodeJS.Timeout);
    else known.cancel();
  }

  const now = (): number => own()?.now() ?? machine.Date.now();
  const OwnDate = new Proxy(machine.Date, {
    construct: (target, args, asked) => Reflect.construct(target, args.length === 0 ? [now()] : args, asked),
    get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
  });

  function randomBytes(size: number, done?: (error: Error | null, bytes: Buffer) => void): Buffer | undefined {
    const process = own();
    if (process === undefined || done !== undefined)
      return (machine.randomBytes as (...all: unknown[]) => Buffer | undefined)(...(done ? [size, done] : [size]));
    return Buffer.from(Array.from({ length: size }, () => Math.floor(process.fraction() * 256)));
  }

  function put({ randomBytes, ...globals }: typeof machine): void {
    Object.assign(globalThis, globals);
    crypto.randomBytes = randomBytes;
    syncBuiltinESMExports();
  }
  put({
    setTimeout: Object.assign(setOwnTimeout, machine.setTimeout) as unknown as typeof setTimeout,
    clearTimeout: clearOwnTimeout as typeof clearTimeout,
    Date: OwnDate,
    randomBytes: randomBytes as typeof crypto.randomBytes,
  });
  return () => put(machine);
}
