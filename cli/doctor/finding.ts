/** What one check of `metrly doctor` found. */
export interface Finding {
  readonly what: string;
  /** Undefined: the check does not apply, or found what may be meant. */
  readonly ok: boolean | undefined;
  readonly said: string;
  /** The fix. */
  readonly advice?: string;
}
