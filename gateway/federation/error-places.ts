import { type FieldNode, GraphQLError, Kind, type SelectionSetNode } from "graphql";
import type { ShapeOptions } from "./answer.js";
import { isData, type Path } from "./data.js";

/**
 * Errors with paths in the response and locations in the client's document. Errors of fields fetched only for another
 * field are located at that field; errors of fields that the client excluded by `@skip` or `@include` are dropped.
 */
export function inAnswer(errors: readonly GraphQLError[], data: unknown, shaping: ShapeOptions): GraphQLError[] {
  const reported = new Set<string>();
  return errors.flatMap((error) => {
    const place = placeIn(data, error.path ?? []);
    const key = JSON.stringify([place, error.message, error.extensions]);
    const isLeftOut = place.length < (error.path?.length ?? 0) && nodesAt(shaping, error.path ?? []) !== undefined;
    if (reported.has(key) || isLeftOut) return [];
    reported.add(key);
    return [placed(error, place, nodesAt(shaping, place) ?? [])];
  });
}

/** Below a null, the path continues to the origin of the error. */
function placeIn(data: unknown, path: Path): Path {
  let value = data;
  for (const [depth, key] of path.entries()) {
    if (value === null || value === undefined) return path;
    const inner = Array.isArray(value) ? value[Number(key)] : isData(value) ? value[key] : undefined;
    if (inner === undefined) return path.slice(0, depth);
    value = inner;
  }
  return path;
}

/** Whether an invalid null is explained by a reported error: at its place, below, or above. */
export function isExplained(
  { path = [] }: GraphQLError,
  reported: readonly GraphQLError[],
  lost: readonly Path[],
): boolean {
  const starts = (longer: Path, shorter: Path) => shorter.every((key, index) => key === longer[index]);
  return (
    lost.some((place) => starts(path, place)) ||
    reported.some(({ path: other = [] }) => starts(path, other) || starts(other, path))
  );
}

/** The fields that request it; undefined: the client's document has none. */
function nodesAt({ operation, fragments }: ShapeOptions, path: Path): readonly FieldNode[] | undefined {
  let sets: (SelectionSetNode | undefined)[] = [operation.selectionSet];
  let nodes: FieldNode[] = [];
  for (const key of path) {
    if (typeof key === "number") continue;
    nodes = sets.flatMap((set) => [...fieldsCalled(key, set, fragments)]);
    if (nodes.length === 0) return undefined;
    sets = nodes.map(({ selectionSet }) => selectionSet);
  }
  return nodes;
}

function* fieldsCalled(
  key: string,
  set: SelectionSetNode | undefined,
  fragments: ShapeOptions["fragments"],
): Generator<FieldNode> {
  for (const selection of set?.selections ?? []) {
    if (selection.kind !== Kind.FIELD) {
      const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
      yield* fieldsCalled(key, inner?.selectionSet, fragments);
    } else if ((selection.alias ?? selection.name).value === key) yield selection;
  }
}

const placed = (error: GraphQLError, path: Path, nodes: readonly FieldNode[]): GraphQLError =>
  new GraphQLError(error.message, {
    ...(path.length > 0 && { path }),
    ...(nodes.length > 0 && { nodes }),
    originalError: error.originalError ?? null,
    extensions: { ...error.extensions },
  });
