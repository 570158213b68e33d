import type { Line } from "../history.js";

/** A history whose verdict was found by hand. */
export interface Case {
  readonly name: string;
  readonly lines: readonly Line[];
  /** The rules that refuse it; undefined: it is right. */
  readonly refusedBy?: readonly string[];
  /** Rules that must have judged something. */
  readonly checks?: readonly string[];
}
