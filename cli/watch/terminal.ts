import type { ReadStream, WriteStream } from "node:tty";
import { isInForeground } from "./foreground.js";

/** A terminal that shows one screen at a time, in place of what was on it. */
export interface Terminal {
  readonly size: { readonly width: number; readonly height: number };
  draw(lines: readonly string[]): void;
  /** Puts back what was on the terminal before. Idempotent. */
  leave(): void;
}

export interface TerminalOptions {
  readonly input: ReadStream;
  readonly output: WriteStream;
  /** Ctrl-C, or q. */
  onEnd(): void;
  onResize(): void;
}

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
/** Terminals that know this show nothing of a frame before its end; others ignore it. */
const [BEGIN_FRAME, END_FRAME] = ["\u001b[?2026h", "\u001b[?2026l"];
const [HOME, REST_OF_LINE, REST_OF_SCREEN] = ["\u001b[H", "\u001b[K", "\u001b[J"];

const [CTRL_C, CTRL_Z] = ["\u0003", "\u001a"];

/** Takes the terminal over: its other screen, without cursor, and without an echo of keys. */
export function takeTerminal({ input, output, onEnd, onResize }: TerminalOptions): Terminal {
  let isTaken = false;
  function setRaw(isRaw: boolean): void {
    if (input.isTTY && isInForeground()) input.setRawMode(isRaw);
  }
  function take(): void {
    isTaken = true;
    setRaw(true);
    output.write(ENTER);
  }
  function leave(): void {
    if (!isTaken) return;
    isTaken = false;
    output.write(LEAVE);
    setRaw(false);
  }
  function onKeys(keys: Buffer): void {
    for (const key of keys.toString("utf8")) {
      if (key === CTRL_C || key === "q") onEnd();
      if (key !== CTRL_Z) continue;
      leave();
      stopJob("SIGTSTP");
    }
  }
  function onContinue(): void {
    if (!isInForeground()) {
      stopJob("SIGTTOU");
      return;
    }
    take();
    onResize();
  }
  // The terminal may have gone away; a signal says so.
  for (const stream of [input, output]) stream.on("error", () => undefined);
  take();
  input.on("data", onKeys);
  output.on("resize", onResize);
  process.on("SIGCONT", onContinue);
  process.on("exit", leave);
  return {
    get size() {
      return { width: output.columns || 80, height: output.rows || 24 };
    },
    draw(lines) {
      if (!isTaken) return;
      const text = lines.map((line) => (line.length < this.size.width ? `${line}${REST_OF_LINE}` : line)).join("\r\n");
      output.write(`${BEGIN_FRAME}${HOME}${text}${REST_OF_SCREEN}${END_FRAME}`);
    },
    leave() {
      leave();
      input.off("data", onKeys);
      input.pause();
      output.off("resize", onResize);
      process.off("SIGCONT", onContinue);
      process.off("exit", leave);
    },
  };
}

/** The whole job, npx included: with a process of it alone the shell would wait. */
function stopJob(signal: "SIGTSTP" | "SIGTTOU"): void {
  process.kill(0, signal);
}
