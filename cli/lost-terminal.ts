import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { isatty } from "node:tty";

/** Lets the process drain and exit in order after its terminal has gone away: what is written to that is dropped. */
export function surviveLostTerminal(): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  for (const stream of [process.stdout, process.stderr]) if (stream.isTTY) stream.on("error", () => undefined);
  process.on("exit", () => {
    // At exit Node resets its terminals, and crashes or runs for ever where one is gone.
    for (const fd of terminals.filter((one) => !isatty(one))) {
      closeSync(fd);
      // Takes the lowest free descriptor, which is the closed one.
      openSync(devNull, "r+");
    }
  });
}
