import { type DocumentNode, getOperationAST, Kind, type SelectionSetNode } from "graphql";
import { type Fragments, fragmentsOf } from "../operations/fragments.js";
import type { TypeTest } from "./data.js";

/** The keys of a subgraph's response: where the nulls go if it fails. */
export interface SelectedKeys {
  readonly root: readonly string[];
  /** Of an entity of this type, below the root key. */
  below(rootKey: string, typename: unknown): readonly string[];
}

export function selectedKeysOf(document: DocumentNode, is: TypeTest): SelectedKeys {
  const fragments = fragmentsOf(document);
  const fields = [...fieldsOf(getOperationAST(document)?.selectionSet, fragments, () => true)];
  return {
    root: [...new Set(fields.map(({ key }) => key))],
    below(rootKey, typename) {
      const sets = fields.filter(({ key }) => key === rootKey);
      const isMet = (condition: string) => is(typename, condition);
      return [...new Set(sets.flatMap(({ set }) => [...fieldsOf(set, fragments, isMet)].map(({ key }) => key)))];
    },
  };
}

interface SelectedField {
  readonly key: string;
  readonly set: SelectionSetNode | undefined;
}

function* fieldsOf(
  set: SelectionSetNode | undefined,
  fragments: Fragments,
  isMet: (typeCondition: string) => boolean,
): Generator<SelectedField> {
  for (const selection of set?.selections ?? []) {
    if (selection.kind === Kind.FIELD) {
      const key = (selection.alias ?? selection.name).value;
      if (!key.startsWith("__")) yield { key, set: selection.selectionSet };
      continue;
    }
    const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
    const condition = fragment?.typeCondition?.name.value;
    if (condition === undefined || isMet(condition)) yield* fieldsOf(fragment?.selectionSet, fragments, isMet);
  }
}
