import { collectFields, collectSubFields } from "@graphql-tools/utils";
import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type OperationDefinitionNode,
} from "graphql";
import { type AnswerSize, answerTooLarge, jsonBytes } from "#platform/graphql/answer-size.js";
import type { Fragments } from "../operations/fragments.js";
import { type Data, isData } from "./data.js";

/** Shapes the response that the client requested, in its order, from the subgraphs' data, and counts its bytes. */
export type Shape = (data: Data, take: Take) => Data;

export interface ShapeOptions {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
}

/** A null in a non-null position, or a value outside the public schema: `completed` handles it exactly. */
export class Unusual extends Error {}

/** Counts the bytes of an answer; throws a `MetrlyError` when it is too large. */
export type Take = (bytes: number) => void;

/** Fast path: throws `Unusual` on any deviation. Depends on variables only by `@skip` and `@include`. */
export function shapeOf(options: ShapeOptions, variables: Readonly<Data>): Shape {
  const { schema, operation, fragments } = options;
  const given = { coerced: variables, sources: {} };
  const root = schema.getRootType(operation.operation);
  // Of the answer that is being shaped: shaping is synchronous.
  let take: Take = () => undefined;
  if (!root) throw new Error(`the graph has no ${operation.operation}`);

  function ofObject(type: GraphQLObjectType, fields: ReadonlyMap<string, FieldNode[]>): (value: Data) => Data {
    const known = type.getFields();
    const entries = [...fields].map(([key, nodes]): [string, (value: unknown) => unknown] => {
      const field = known[nodes[0]?.name.value ?? ""];
      return [key, field === undefined ? () => type.name : ofType(field.type, nodes)];
    });
    const ownBytes = [...fields.keys()].reduce((sum, key) => sum + key.length + BYTES_AROUND_MEMBER, 0);
    return (value) => {
      take(ownBytes);
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
        take(value.length);
        return value;
      };
    if (isLeafType(type))
      return (value) => {
        take(jsonBytes(value));
        return value ?? null;
      };
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

  const shape = ofObject(root, collectFields(schema, { ...fragments }, given, root, operation.selectionSet).fields);
  return (data, takeBytes) => {
    take = takeBytes;
    return shape(data);
  };
}

/** Quotes, colon, comma. */
const BYTES_AROUND_MEMBER = 4;

/** Exact path, by graphql-js: propagates nulls with errors as specified, and answers introspection. */
export async function completed(
  { schema, document, operation }: ShapeOptions,
  variableValues: Readonly<Data>,
  data: Data,
  size: AnswerSize,
): Promise<ExecutionResult> {
  const result = await execute({
    schema,
    document,
    operationName: operation.name?.value ?? null,
    rootValue: data,
    variableValues,
    fieldResolver(source, _, __, { path, returnType }) {
      const value = isData(source) ? source[path.key] : undefined;
      const isLeaf = isLeafType(getNamedType(returnType));
      if (!size.isExceeded())
        size.take(String(path.key).length + BYTES_AROUND_MEMBER + (isLeaf ? jsonBytes(value) : 0));
      return size.isExceeded() ? undefined : value;
    },
    typeResolver: (value) => (isData(value) && typeof value.__typename === "string" ? value.__typename : undefined),
  });
  if (size.isExceeded()) throw answerTooLarge();
  return result;
}
