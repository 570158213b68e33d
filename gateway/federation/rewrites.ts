import type { FetchNodePathSegment, FetchRewrite } from "@graphql-hive/router-query-planner";
import { type Data, isData, type Path, type TypeTest } from "./data.js";

/** Rewrites of a response or a representation: renames a key or sets a value, in place. */
export interface Rewrites {
  apply(value: unknown): void;
  /** The path of an error after the rewrites. */
  pathOf(path: Path): Path;
}

interface Rewrite {
  readonly path: readonly FetchNodePathSegment[];
  readonly change: { readonly renameKeyTo: string } | { readonly setValueTo: string };
}

export function rewritesOf(list: readonly FetchRewrite[] | undefined, is: TypeTest): Rewrites {
  const rewrites = (list ?? []).map(read);
  return {
    apply(value) {
      for (const rewrite of rewrites) applyAt(rewrite, 0, value, is);
    },
    pathOf: (path) => rewrites.reduce(renamedPath, path),
  };
}

function read(rewrite: FetchRewrite): Rewrite {
  if ("KeyRenamer" in rewrite) {
    const { path, renameKeyTo } = rewrite.KeyRenamer;
    return { path, change: { renameKeyTo } };
  }
  const { path, setValueTo } = "ValueSetter" in rewrite ? rewrite.ValueSetter : rewrite;
  return { path, change: { setValueTo } };
}

function applyAt(rewrite: Rewrite, at: number, value: unknown, is: TypeTest): void {
  if (Array.isArray(value)) {
    for (const item of value) applyAt(rewrite, at, item, is);
    return;
  }
  const segment = rewrite.path[at];
  if (!isData(value) || segment === undefined) return;
  if ("TypenameEquals" in segment) {
    if (value.__typename === undefined || is(value.__typename, segment.TypenameEquals))
      applyAt(rewrite, at + 1, value, is);
  } else if (at < rewrite.path.length - 1) applyAt(rewrite, at + 1, value[segment.Key], is);
  else changeKey(value, segment.Key, rewrite.change);
}

function changeKey(value: Data, key: string, change: Rewrite["change"]): void {
  if ("setValueTo" in change) value[key] = change.setValueTo;
  else if (key in value) {
    value[change.renameKeyTo] = value[key];
    delete value[key];
  }
}

function renamedPath(path: Path, { path: segments, change }: Rewrite): Path {
  if ("setValueTo" in change) return path;
  const keys = segments.flatMap((segment) => ("Key" in segment ? [segment.Key] : []));
  let matched = 0;
  const at = path.findIndex((key) => {
    if (typeof key === "string" && key === keys[matched]) matched += 1;
    return matched === keys.length;
  });
  return at === -1 ? path : path.with(at, change.renameKeyTo);
}
