import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type ExecutionResult, GraphQLError } from "graphql";
import { readPropagation, withPropagation } from "#platform/graphql/propagation.js";

const RemoteError = Type.Object({
  message: Type.String(),
  path: Type.Optional(Type.Array(Type.Union([Type.String(), Type.Number()]))),
  extensions: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
const Answer = Type.Object({
  data: Type.Optional(Type.Union([Type.Object({}), Type.Null()])),
  errors: Type.Optional(Type.Array(RemoteError)),
  extensions: Type.Optional(Type.Unknown()),
});
const Errors = Type.Array(RemoteError, { minItems: 1 });

/** Converts a subgraph's response to an execution result. Throws a `TypeError` for an invalid GraphQL response. */
export function parseAnswer(body: unknown): ExecutionResult {
  if (!Value.Check(Answer, body)) throw new TypeError("a subgraph's response is not GraphQL");
  const { data, errors, extensions } = body;
  const result = {
    ...(data !== undefined && { data: data === null ? null : { ...data } }),
    ...(errors !== undefined && { errors: errors.map(errorOf) }),
  };
  return withPropagation(result, readPropagation(extensions));
}

/** The errors that ended an operation on a socket; undefined: it ended for another reason. */
export function parseErrors(reason: unknown): readonly GraphQLError[] | undefined {
  return Value.Check(Errors, reason) ? reason.map(errorOf) : undefined;
}

const errorOf = ({ message, path, extensions }: typeof RemoteError.static): GraphQLError =>
  new GraphQLError(message, { path: path ?? null, extensions: extensions ?? {} });
