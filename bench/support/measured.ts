import type { Listening, Usage } from "./processes.js";

let stopMeasured: () => Promise<void> = async () => undefined;
// Also when the benchmark was killed, or Ctrl-C ended it: nothing must go on running.
for (const event of ["disconnect", "SIGINT", "SIGTERM"])
  process.once(event, () => void stopMeasured().finally(() => process.exit(1)));

/** The measured server's side of the protocol: reports its usage, and stops on request. */
export function serve<More extends object>(listening: Listening & More, stop: () => Promise<void>): void {
  stopMeasured = stop;
  process.on("message", (asked) => {
    if (asked === "usage") tell("usage", usage());
    if (asked === "stop") void stop().then(() => process.exit(0));
  });
  tell("listening", listening);
}

/** Answers what `ask` asked. */
export function tell(kind: string, body: object): void {
  process.send?.({ kind, ...body });
}

function usage(): Usage {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  return {
    cpuMs: (userCPUTime + systemCPUTime) / 1_000,
    rssMb: process.memoryUsage.rss() / 1_048_576,
    peakRssMb: maxRSS / 1_024,
  };
}

/** The options that `startServer` passed. */
export function optionsOf<T>(): T {
  return JSON.parse(process.argv[2] ?? "{}");
}
