import type { EntityBatchAlias, FlattenNodePathSegment, RequiresSelection } from "@graphql-hive/router-query-planner";
import { copyOf, type Data, isData, mergeInto, type Path, type TypeTest } from "./data.js";
import { type Rewrites, rewritesOf } from "./rewrites.js";

/** A place in the response whose object another subgraph completes. */
export interface Place {
  readonly object: Data;
  readonly path: Path;
}

/** Places by representation: equal entities are requested once. */
export interface Representations {
  readonly list: Data[];
  readonly indexes: Map<string, number>;
}

/** One `_entities` field of a plan: the objects it completes and the representations it needs. */
export interface EntityField {
  readonly alias: string;
  readonly variable: string;
  readonly rewrites: Rewrites;
  /** Adds new representations to `representations`; returns the places by their index. */
  collect(data: Data, representations: Representations): Map<number, Place[]>;
}

export function entityFieldOf(node: EntityBatchAlias, is: TypeTest): EntityField {
  const inputs = rewritesOf(node.inputRewrites, is);
  return {
    alias: node.alias,
    variable: node.representationsVariableName,
    rewrites: rewritesOf(node.outputRewrites, is),
    collect(data, { list, indexes }) {
      const places = new Map<number, Place[]>();
      for (const path of node.paths) {
        for (const place of placesAt(data, path, is)) {
          const representation = representationOf(place.object, node.requires, is);
          if (representation === undefined) continue;
          inputs.apply(representation);
          const identity = JSON.stringify(representation);
          const index = indexes.get(identity) ?? list.push(representation) - 1;
          indexes.set(identity, index);
          const same = places.get(index);
          if (same === undefined) places.set(index, [place]);
          else same.push(place);
        }
      }
      return places;
    },
  };
}

/** Each place gets its own copy: fields requested for one must not appear at another. */
export function complete(places: readonly Place[], entity: Data): void {
  places.forEach((place, index) => {
    const own = index === 0 ? entity : copyOf(entity);
    if (isData(own)) mergeInto(place.object, own);
  });
}

function placesAt(data: Data, segments: readonly FlattenNodePathSegment[], is: TypeTest): Place[] {
  const found: Place[] = [];
  const walk = (value: unknown, at: number, path: Path): void => {
    if (value === null || value === undefined) return;
    const segment = segments[at];
    if (Array.isArray(value)) {
      const next = segment === "@" ? at + 1 : at;
      for (const [index, item] of value.entries()) walk(item, next, [...path, index]);
    } else if (!isData(value)) return;
    else if (segment === undefined) found.push({ object: value, path });
    else if (segment === "@") return;
    else if ("Field" in segment) walk(value[segment.Field], at + 1, [...path, segment.Field]);
    else if (is(value.__typename, segment.TypeCondition)) walk(value, at + 1, path);
  };
  walk(data, 0, []);
  return found;
}

/** Undefined: an object of another type, or without a key. */
function representationOf(entity: Data, requires: readonly RequiresSelection[], is: TypeTest): Data | undefined {
  const representation = projected(entity, requires, is);
  const known = Object.keys(representation).some((key) => key !== "__typename");
  return known ? { __typename: entity.__typename, ...representation } : undefined;
}

function projected(entity: Data, selections: readonly RequiresSelection[], is: TypeTest): Data {
  const result: Data = {};
  for (const selection of selections) {
    if (selection.kind === "InlineFragment") {
      if (is(entity.__typename, selection.typeCondition))
        mergeInto(result, projected(entity, selection.selections, is));
    } else if (selection.kind === "Field") {
      const key = selection.alias ?? selection.name;
      const value = entity[selection.name] ?? entity[key];
      if (value !== undefined) result[key] = projectedValue(value, selection.selections, is);
    } else throw new Error(`a plan requires the fragment ${selection.value}, which planners resolve`);
  }
  return result;
}

function projectedValue(value: unknown, selections: readonly RequiresSelection[] | undefined, is: TypeTest): unknown {
  if (selections === undefined || selections.length === 0) return value;
  if (Array.isArray(value)) return value.map((item) => projectedValue(item, selections, is));
  return isData(value) ? projected(value, selections, is) : value;
}
