import { type DocumentNode, type FragmentDefinitionNode, Kind } from "graphql";

/** Of a document, by name; without a prototype, whose members clients could spread. */
export type Fragments = Readonly<Record<string, FragmentDefinitionNode>>;

export const fragmentsOf = (document: DocumentNode): Fragments =>
  Object.setPrototypeOf(
    Object.fromEntries(document.definitions.filter(isFragment).map((each) => [each.name.value, each])),
    null,
  );

const isFragment = (node: DocumentNode["definitions"][number]): node is FragmentDefinitionNode =>
  node.kind === Kind.FRAGMENT_DEFINITION;
