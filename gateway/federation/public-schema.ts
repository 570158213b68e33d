import {
  buildASTSchema,
  type DocumentNode,
  GraphQLEnumType,
  GraphQLError,
  GraphQLScalarType,
  type GraphQLSchema,
  isIntrospectionType,
  Kind,
  parse,
  visit,
} from "graphql";
import { messageOf } from "#kernel/errors.js";
import { CountScalar, CursorScalar, DateTimeScalar, DecimalScalar, JsonScalar } from "#platform/graphql/scalars.js";

const SCALARS: ReadonlyMap<string, GraphQLScalarType> = new Map(
  [CountScalar, CursorScalar, DateTimeScalar, DecimalScalar, JsonScalar].map((scalar) => [scalar.name, scalar]),
);

/**
 * The schema that clients see, from a supergraph's public SDL. Validation refuses literals that a subgraph's scalar would
 * refuse, at their place: a subgraph reports its whole argument. An enum's error names its values.
 */
export function publicSchema(sdl: string): GraphQLSchema {
  const document: DocumentNode = visit(parse(sdl), {
    enter(node) {
      const named = "name" in node && node.kind.endsWith("Definition") ? node.name : undefined;
      return named?.kind === Kind.NAME && /^(__|join__|link__)/.test(named.value) ? null : undefined;
    },
  });
  const schema = buildASTSchema(document, { assumeValidSDL: true });
  for (const type of Object.values(schema.getTypeMap())) {
    if (type instanceof GraphQLScalarType) checkLiterals(type);
    if (type instanceof GraphQLEnumType && !isIntrospectionType(type)) nameValues(type);
  }
  return schema;
}

/** Literals are checked and stay as they are: subgraphs parse them again. */
function checkLiterals(type: GraphQLScalarType): void {
  const scalar = SCALARS.get(type.name);
  if (scalar === undefined) return;
  const untouched = type.parseLiteral.bind(type);
  type.parseLiteral = (node, variables) => {
    try {
      scalar.parseLiteral(node, variables);
    } catch (error) {
      // Not a GraphQLError: validation then adds the value and its place.
      throw new TypeError(messageOf(error));
    }
    return untouched(node, variables);
  };
}

function nameValues(type: GraphQLEnumType): void {
  const values = type.getValues().map(({ name }) => name);
  const naming =
    <Args extends unknown[]>(parse: (...args: Args) => unknown) =>
    (...args: Args): unknown => {
      try {
        return parse(...args);
      } catch (error) {
        if (!(error instanceof GraphQLError)) throw error;
        throw new GraphQLError(`${error.message} Its values: ${values.join(", ")}.`, { nodes: error.nodes ?? null });
      }
    };
  type.parseValue = naming(type.parseValue.bind(type));
  type.parseLiteral = naming(type.parseLiteral.bind(type));
}
