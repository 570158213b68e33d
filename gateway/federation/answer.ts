import { collectFields, collectSubFields } from "@graphql-tools/utils";
import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type OperationDefinitionNode,
} from "graphql";
import type { Fragments } from "../operations/limits.js";
import { type Data, isData } from "./data.js";

/** Shapes the response that the client requested, in its order, from the subgraphs' data. */
export type Shape = (data: Data) => Data;

export interface ShapeOptions {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
}

/** A null in a non-null position, or a value outside the public schema: `completed` handles it exactly. */
export class Unusual extends Error {}

/** Fast path: throws `Unusual` on any deviation. Depends on variables only by `@skip` and `@include`. */
export function shapeOf(options: ShapeOptions, variables: Readonly<Data>): Shape {
  const { schema, operation, fragments } = options;
  const given = { coerced: variables, sources: {} };
  const root = schema.getRootType(operation.operation);
  if (!root) throw new Error(`the graph has no ${operation.operation}`);

  function ofObject(type: GraphQLObjectType, fields: ReadonlyMap<string, FieldNode[]>): (value: Data) => Data {
    const known = type.getFields();
    const entries = [...fields].map(([key, nodes]): [string, (value: unknown) => unknown] => {
      const field = known[nodes[0]?.name.value ?? ""];
      return [key, field === undefined ? () => type.name : ofType(field.type, nodes)];
    });
    return (value) => {
      const result: Data = {};
      for (const [key, shape] of entries) result[key] = shape(value[key]);
      return result;
    };
  }

  function ofType(type: GraphQLOutputType, nodes: FieldNode[]): (value: unknown) => unknown {
    if (isNonNullType(type)) {
      const shape = ofType(type.ofType, nodes);
      return (value) => {
        if (value === null || value === undefined) throw new Unusual();
        return shape(value);
      };
    }
    if (isListType(type)) {
      const shape = ofType(type.ofType, nodes);
      return (value) => {
        if (value === null || value === undefined) return null;
        if (!Array.isArray(value)) throw new Unusual();
        return value.map((item) => shape(item));
      };
    }
    if (isEnumType(type))
      return (value) => {
        if (value === null || value === undefined) return null;
        if (typeof value !== "string" || type.getValue(value) === undefined) throw new Unusual();
        return value;
      };
    if (isLeafType(type)) return (value) => value ?? null;
    if (isAbstractType(type)) return ofAbstract(nodes);
    const shape = ofObject(type, fieldsBelow(type, nodes));
    return (value) => {
      if (value === null || value === undefined) return null;
      if (!isData(value)) throw new Unusual();
      return shape(value);
    };
  }

  function ofAbstract(nodes: FieldNode[]): (value: unknown) => unknown {
    const shapes = new Map<unknown, (value: Data) => Data>();
    return (value) => {
      if (value === null || value === undefined) return null;
      if (!isData(value)) throw new Unusual();
      const name = value.__typename;
      const known = shapes.get(name);
      if (known !== undefined) return known(value);
      const type = schema.getType(String(name));
      if (!isObjectType(type)) throw new Unusual();
      const shape = ofObject(type, fieldsBelow(type, nodes));
      shapes.set(name, shape);
      return shape(value);
    };
  }

  const fieldsBelow = (type: GraphQLObjectType, nodes: FieldNode[]) =>
    collectSubFields(schema, { ...fragments }, given, type, nodes).fields;

  return ofObject(root, collectFields(schema, { ...fragments }, given, root, operation.selectionSet).fields);
}

/** Exact path, by graphql-js: propagates nulls with errors as specified, and answers introspection. */
export async function completed(
  { schema, document, operation }: ShapeOptions,
  variableValues: Readonly<Data>,
  data: Data,
): Promise<ExecutionResult> {
  return execute({
    schema,
    document,
    operationName: operation.name?.value ?? null,
    rootValue: data,
    variableValues,
    fieldResolver: (source, _, __, { path }) => (isData(source) ? source[path.key] : undefined),
    typeResolver: (value) => (isData(value) && typeof value.__typename === "string" ? value.__typename : undefined),
  });
}
