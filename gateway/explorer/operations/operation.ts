/** A saved operation of the explorer. */
export interface SavedOperation {
  /** A few words, for the list. */
  readonly title: string;
  /** The name in `query`, and the title of its tab. */
  readonly name: string;
  readonly kind: "query" | "mutation" | "subscription";
  /** Begins with a comment that tells the task. */
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** As a `tenantId` among the variables: the explorer puts the tenant there that is chosen in it. This one exists in the demo. */
export const CHOSEN_TENANT = "acme";

/** @throws {Error} if the operation has no name */
export function saved(
  title: string,
  task: string,
  query: string,
  variables: SavedOperation["variables"] = {},
): SavedOperation {
  const text = query.replace(/^\n|\s+$/g, "").replace(/^ {4}/gm, "");
  const [, kind, name] = /^(query|mutation|subscription) (\w+)/.exec(text) ?? [];
  if (name === undefined) throw new Error(`The saved operation "${title}" has no name`);
  return { title, name, kind: kind as SavedOperation["kind"], query: `# ${task}\n${text}\n`, variables };
}
