/** What has still to be true, one after the other; each answers what it waits for. */
export interface Phase {
  begin?(): Promise<void> | void;
  open(): Promise<string | undefined>;
  judge(): Promise<readonly string[]> | readonly string[];
}
