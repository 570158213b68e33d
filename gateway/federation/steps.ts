import type { BatchFetchNode, FetchNode, FlattenNode, PlanNode } from "@graphql-hive/router-query-planner";
import { type ExecutionResult, GraphQLError, OperationTypeNode, parse } from "graphql";
import { MetrlyError } from "#kernel/errors.js";
import { type AnswerSize, jsonBytes } from "#platform/graphql/answer-size.js";
import { joinPropagations, type Propagation, readPropagation } from "#platform/graphql/propagation.js";
import type { GatewayContext } from "../operations/operation.js";
import { type Data, isData, mergeInto, type Path, type TypeTest } from "./data.js";
import { complete, type EntityField, entityFieldOf, type Place, type Representations } from "./entities.js";
import { rewritesOf } from "./rewrites.js";
import { selectedKeysOf } from "./selected-keys.js";
import { isStream, type SubgraphExecutor, type SubgraphOperation } from "./subgraph.js";

/** One execution of a plan. Error paths use the client's names, and end at the null in the response. */
export interface Run {
  readonly variables: Readonly<Data>;
  readonly context: GatewayContext;
  /** Of entities that stand at several places: each gets a copy. */
  readonly copies: AnswerSize;
  readonly data: Data;
  readonly errors: GraphQLError[];
  /** Paths that an error left empty: missing data at and below them needs no error. */
  readonly lost: Path[];
  /** What mutations told of their change. */
  propagation: Propagation | undefined;
}

/** Asks nothing for a client that has left. */
export type Step = (run: Run) => Promise<void>;

export interface StepOptions {
  readonly executorOf: (subgraph: string) => SubgraphExecutor;
  readonly is: TypeTest;
}

/** A compiled node of a plan; everything that depends only on the plan is computed once. */
export function stepOf(node: PlanNode, options: StepOptions): Step {
  switch (node.kind) {
    case "Sequence": {
      const steps = node.nodes.map((child) => stepOf(child, options));
      return async (run) => {
        for (const step of steps) await step(run);
      };
    }
    case "Parallel": {
      const steps = node.nodes.map((child) => stepOf(child, options));
      return async (run) => {
        await Promise.all(steps.map((step) => step(run)));
      };
    }
    case "Condition": {
      const [met, unmet] = [node.ifClause, node.elseClause].map((clause) => clause && stepOf(clause, options));
      return async (run) => (run.variables[node.condition] === true ? met : unmet)?.(run);
    }
    case "Fetch":
      return fetchStep(node, options);
    case "Flatten":
      return entityStep(...flattened(node), options);
    case "BatchFetch":
      return entityStep(
        node,
        node.entityBatch.aliases.map((alias) => entityFieldOf(alias, options.is)),
        options,
      );
    default:
      throw new Error(`a plan has a node of an unknown kind: ${node.kind}`);
  }

  function flattened({ node: fetch, path }: FlattenNode): [FetchNode, EntityField[]] {
    if (fetch.kind !== "Fetch" || fetch.requires === undefined)
      throw new Error(`a plan flattens a node of the kind ${fetch.kind}`);
    const { requires, inputRewrites, outputRewrites } = fetch;
    const field = entityFieldOf(
      {
        alias: "_entities",
        representationsVariableName: "representations",
        paths: [path],
        requires,
        ...(inputRewrites !== undefined && { inputRewrites }),
        ...(outputRewrites !== undefined && { outputRewrites }),
      },
      options.is,
    );
    return [fetch, [field]];
  }
}

export function subgraphOperationOf(node: FetchNode | BatchFetchNode): SubgraphOperation {
  return {
    text: node.operation,
    document: parse(node.operation, { noLocation: true }),
    kind: KINDS[node.operationKind ?? "query"],
  };
}

const KINDS = {
  query: OperationTypeNode.QUERY,
  mutation: OperationTypeNode.MUTATION,
  subscription: OperationTypeNode.SUBSCRIPTION,
};

export function variablesFor(names: readonly string[] | undefined, variables: Readonly<Data>): Data {
  const used: Data = {};
  for (const name of names ?? []) if (Object.hasOwn(variables, name)) used[name] = variables[name];
  return used;
}

function fetchStep(node: FetchNode, options: StepOptions): Step {
  const ask = options.executorOf(node.serviceName);
  const operation = subgraphOperationOf(node);
  const take = takesRootAnswer(node, operation, options);
  return async (run) => {
    if (run.context.signal?.aborted) return;
    const variables = variablesFor(node.variableUsages, run.variables);
    take(run, resultOf(await ask({ operation, variables, context: run.context })));
  };
}

/** Merges root fields into the client's response. */
export function takesRootAnswer(node: FetchNode, { document }: SubgraphOperation, { is }: StepOptions) {
  const rewrites = rewritesOf(node.outputRewrites, is);
  const keys = selectedKeysOf(document, is);
  return (run: Run, { data, errors, extensions }: ExecutionResult): void => {
    const told = readPropagation(extensions);
    if (told !== undefined) run.propagation = joinPropagations(run.propagation, told);
    for (const error of errors ?? []) {
      const paths = error.path === undefined ? keys.root.map((key) => [key]) : [error.path];
      for (const path of paths) run.errors.push(errorAt(error, rewrites.pathOf(path)));
    }
    if (!isData(data)) {
      run.lost.push(...keys.root.map((key) => rewrites.pathOf([key])));
      return;
    }
    rewrites.apply(data);
    mergeInto(run.data, data);
  };
}

function entityStep(node: FetchNode | BatchFetchNode, fields: readonly EntityField[], options: StepOptions): Step {
  const ask = options.executorOf(node.serviceName);
  const operation = subgraphOperationOf(node);
  const keys = selectedKeysOf(operation.document, options.is);
  return async (run) => {
    if (run.context.signal?.aborted) return;
    const variables = variablesFor(node.variableUsages, run.variables);
    const representations = new Map<string, Representations>();
    const asked = fields.map((field): AskedField => {
      const shared = representations.get(field.variable) ?? { list: [], indexes: new Map() };
      representations.set(field.variable, shared);
      variables[field.variable] = shared.list;
      return { field, places: field.collect(run.data, shared) };
    });
    if (asked.every(({ places }) => places.size === 0)) return;
    const { data, errors } = resultOf(await ask({ operation, variables, context: run.context }));
    for (const error of errors ?? []) {
      for (const path of pathsOf(error, asked, keys.below)) run.errors.push(errorAt(error, path));
    }
    const hasFailed = errors !== undefined && errors.length > 0;
    for (const { field, places } of asked) {
      const missing = takeEntities(isData(data) ? data[field.alias] : undefined, field, places, run.copies);
      if (hasFailed) run.lost.push(...missing);
    }
  };
}

interface AskedField {
  readonly field: EntityField;
  /** By the index of their representation. */
  readonly places: ReadonlyMap<number, readonly Place[]>;
}

function takeEntities(entities: unknown, field: EntityField, places: AskedField["places"], copies: AnswerSize): Path[] {
  const list: readonly unknown[] = Array.isArray(entities) ? entities : [];
  field.rewrites.apply(list);
  const missing: Path[] = [];
  for (const [index, same] of places) {
    const entity = list[index];
    if (isData(entity)) {
      if (same.length > 1) copies.take((same.length - 1) * jsonBytes(entity));
      complete(same, entity);
    } else missing.push(...same.map(({ path }) => path));
  }
  return missing;
}

/** Maps an error of `_entities` to every place of the failed entity, or of all entities. */
function pathsOf(
  error: GraphQLError,
  asked: readonly AskedField[],
  keysBelow: (rootKey: string, typename: unknown) => readonly string[],
): Path[] {
  const [alias, index, ...rest] = error.path ?? [];
  const concerned = alias === undefined ? asked : asked.filter(({ field }) => field.alias === alias);
  return concerned.flatMap(({ field, places }) => {
    const hit = typeof index === "number" ? (places.get(index) ?? []) : [...places.values()].flat();
    return hit.flatMap(({ object, path }) => {
      const inner: readonly Path[] =
        rest.length > 0
          ? [field.rewrites.pathOf(rest)]
          : keysBelow(field.alias, object.__typename).map((key) => field.rewrites.pathOf([key]));
      return inner.map((keys) => [...path, ...keys]);
    });
  });
}

const errorAt = (error: GraphQLError, path: Path): GraphQLError =>
  new GraphQLError(error.message, {
    path,
    originalError: error.originalError ?? null,
    extensions: { ...error.extensions },
  });

function resultOf(answer: Awaited<ReturnType<SubgraphExecutor>>): ExecutionResult {
  if (isStream(answer)) throw new Error("a subgraph answered a query with a stream");
  const whole = answer.errors?.find(({ path, extensions }) => path === undefined && extensions.code === "TOO_LARGE");
  if (whole !== undefined) throw new MetrlyError("TOO_LARGE", whole.message);
  return answer;
}
