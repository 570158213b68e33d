import { type ConstDirectiveNode, Kind, parse } from "graphql";

/** What a service says of its field: `@cost(weight:)` of reading it once, `@listSize(assumedSize:)` of its list. */
export interface FieldCost {
  readonly weight?: number;
  readonly listSize?: number;
}

/** By the name of the type, then of the field. Fields without a declaration are absent. */
export type FieldCosts = ReadonlyMap<string, ReadonlyMap<string, FieldCost>>;

/** Reads the costs that services declare, from the supergraph: the planner's public schema has no directives. */
export function fieldCostsOf(supergraphSdl: string): FieldCosts {
  const costs = new Map<string, Map<string, FieldCost>>();
  for (const definition of parse(supergraphSdl, { noLocation: true }).definitions) {
    if (definition.kind !== Kind.OBJECT_TYPE_DEFINITION && definition.kind !== Kind.INTERFACE_TYPE_DEFINITION) continue;
    const ofType = new Map<string, FieldCost>();
    for (const { name, directives = [] } of definition.fields ?? []) {
      const weight = numberOf(directives, "cost", "weight");
      const listSize = numberOf(directives, "listSize", "assumedSize");
      if (weight === undefined && listSize === undefined) continue;
      ofType.set(name.value, { ...(weight !== undefined && { weight }), ...(listSize !== undefined && { listSize }) });
    }
    if (ofType.size > 0) costs.set(definition.name.value, ofType);
  }
  return costs;
}

function numberOf(directives: readonly ConstDirectiveNode[], name: string, argument: string): number | undefined {
  const given = directives.find((directive) => directive.name.value === name)?.arguments ?? [];
  const value = given.find((each) => each.name.value === argument)?.value;
  return value?.kind === Kind.INT ? Number(value.value) : undefined;
}
