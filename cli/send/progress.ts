import { every } from "#platform/lifecycle/time.js";

export interface ProgressState {
  /** Rows with a result. */
  readonly rows: number;
  /** Rows read: those without a result are on their way. */
  readonly rowsRead: number;
  /** Of `rows`, sent by an earlier run. */
  readonly resumedRows: number;
  /** Bytes read. */
  readonly bytes: number;
  /** Undefined for input of unknown length. */
  readonly totalBytes: number | undefined;
  readonly elapsedMs: number;
}

const BAR_WIDTH = 24;
const BAR_EVERY_MS = 200;
const LINE_EVERY_MS = 5_000;

/** `[######------]  52 %  104,000 rows  21,300 rows/s  ETA 0:05`; without bar and ETA when the length is unknown. */
export function describeProgress(state: ProgressState): string {
  const { rows, rowsRead, resumedRows, bytes, totalBytes, elapsedMs } = state;
  const rate = elapsedMs > 0 ? Math.round(((rows - resumedRows) * 1000) / elapsedMs) : 0;
  const done = `${rows.toLocaleString("en")} ${rows === 1 ? "row" : "rows"}  ${rate.toLocaleString("en")} rows/s`;
  if (totalBytes === undefined || totalBytes === 0) return done;
  // What is read is not sent yet: a small file is read at once.
  const share = rowsRead === 0 ? 0 : Math.min(1, bytes / totalBytes) * Math.min(1, rows / rowsRead);
  const left = share > 0 && elapsedMs > 0 ? clockText((elapsedMs / share) * (1 - share)) : "?";
  return `${bar(share)}  ${done}  ETA ${left}`;
}

/** `[######------]  52 %` of a share from 0 to 1. */
export function bar(share: number): string {
  const filled = Math.round(share * BAR_WIDTH);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${String(Math.floor(share * 100)).padStart(3)} %`;
}

/** `0:05`, `1:02:03`. */
export function clockText(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Writes progress to `out`: in place on a terminal, otherwise as an occasional line. `stop` leaves a clean line. */
export function showProgress(out: NodeJS.WriteStream, state: () => ProgressState): { stop(): void } {
  const inPlace = out.isTTY === true;
  const show = () => out.write(inPlace ? `\r\u001b[2K${describeProgress(state())}` : `${describeProgress(state())}\n`);
  const timer = every(inPlace ? BAR_EVERY_MS : LINE_EVERY_MS, show);
  return {
    stop() {
      timer.cancel();
      if (!inPlace) return;
      show();
      out.write("\n");
    },
  };
}
