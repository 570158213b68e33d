import { QueryPlanner } from "@graphql-hive/router-query-planner";
import { type ExecutionArgs, type ExecutionResult, GraphQLError, type GraphQLSchema, getVariableValues } from "graphql";
import { MetrlyError } from "#kernel/errors.js";
import { createAnswerSize } from "#platform/graphql/answer-size.js";
import { withPropagation } from "#platform/graphql/propagation.js";
import { graphqlErrorOf } from "../operations/client-error.js";
import { endOf } from "../operations/left-clients.js";
import type { GatewayContext } from "../operations/operation.js";
import { completed, type Shape, type ShapeOptions, shapeOf, Unusual } from "./answer.js";
import { type Data, typeTestOf } from "./data.js";
import { inAnswer, isExplained } from "./error-places.js";
import { createPlans, type Plan } from "./plans.js";
import { publicSchema } from "./public-schema.js";
import { type Run, type Step, stepOf, subgraphOperationOf, takesRootAnswer, variablesFor } from "./steps.js";
import { isStream, mapped, type SubgraphExecutor } from "./subgraph.js";

export interface Federation {
  /** The public API, without resolvers: validation and limits need none. */
  readonly schema: GraphQLSchema;
  /**
   * Queries and mutations. Takes the arguments of graphql-js' `execute`, with a validated document. When the context's signal aborts,
   * a query asks no further subgraph, and those that it has asked stop; a mutation runs to its end.
   */
  execute(args: ExecutionArgs): Promise<ExecutionResult>;
  /** As graphql-js' `subscribe`. */
  subscribe(args: ExecutionArgs): Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>>;
}

export interface FederationOptions {
  readonly supergraphSdl: string;
  /** By their names in the supergraph. An executor never throws: failures are in its result. */
  readonly executorOf: (subgraph: string) => SubgraphExecutor;
}

/** Bounds the variants of one operation by values of `@skip` and `@include`. */
const MAX_SHAPES = 8;
/** The limit of graphql-js. */
const MAX_VARIABLE_ERRORS = 50;

interface Executable extends Plan {
  readonly shapes: Map<string, Shape>;
  readonly shaping: ShapeOptions;
  readonly step: Step | undefined;
  readonly follow: Follow | undefined;
}

type Follow = (variables: Readonly<Data>, context: GatewayContext) => ReturnType<SubgraphExecutor>;

/**
 * Plans each operation once (Hive's planner), queries every subgraph once per step for all entities of that step, and
 * shapes the response. graphql-js handles null propagation and introspection.
 */
export function createFederation({ supergraphSdl, executorOf }: FederationOptions): Federation {
  const planner = new QueryPlanner(supergraphSdl);
  const schema = publicSchema(planner.consumerSchema);
  const is = typeTestOf(schema);
  const options = { executorOf, is };
  const plans = createPlans(planner, schema, (document, plan): Executable => {
    const { operation, fragments, node } = plan;
    const shaping = { schema, document, operation, fragments };
    return {
      ...plan,
      shaping,
      shapes: new Map(),
      step: node && stepOf(node, options),
      follow: plan.source && followOf(plan.source),
    };
  });

  function followOf(source: NonNullable<Plan["source"]>): Follow {
    const ask = executorOf(source.serviceName);
    const operation = subgraphOperationOf(source);
    return (variables, context) =>
      ask({ operation, variables: variablesFor(source.variableUsages, variables), context });
  }

  function coerced({ operation }: Executable, { variableValues }: ExecutionArgs) {
    const given = variableValues ?? {};
    return getVariableValues(schema, operation.variableDefinitions ?? [], given, { maxErrors: MAX_VARIABLE_ERRORS });
  }

  const executableOf = ({ document, operationName }: ExecutionArgs) => plans.get(document, operationName ?? undefined);

  async function finished(executable: Executable, run: Run, args: ExecutionArgs): Promise<ExecutionResult> {
    await executable.step?.(run);
    run.context.signal?.throwIfAborted();
    const { shaping, introspects } = executable;
    const plain = introspects ? undefined : shaped(executable, run);
    if (plain !== undefined && run.errors.length === 0) return withPropagation(plain, run.propagation);
    const { data, errors }: ExecutionResult =
      plain ?? (await completed(shaping, args.variableValues ?? {}, run.data, createAnswerSize()));
    const own = inAnswer(run.errors, data, shaping);
    const risen = (errors ?? []).filter((error) => !isExplained(error, own, run.lost));
    const all = [...own, ...risen];
    const result = { ...(data !== undefined && { data }), ...(all.length > 0 && { errors: all }) };
    return withPropagation(result, run.propagation);
  }

  /** Invalid requests are results, too. */
  async function answering<Answer>(work: () => Promise<Answer>): Promise<Answer | ExecutionResult> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof MetrlyError) return { errors: [graphqlErrorOf(error)] };
      throw error;
    }
  }

  return {
    schema,
    execute: (args) =>
      answering(async () => {
        endOf(args)?.throwIfAborted();
        const executable = await executableOf(args);
        const { coerced: variables, errors } = coerced(executable, args);
        if (errors !== undefined) return { errors };
        return finished(executable, runOf(variables, { ...contextOf(args), signal: endOf(args) }), args);
      }),
    subscribe: (args) =>
      answering(async () => {
        const executable = await executableOf(args);
        const { coerced: variables, errors } = coerced(executable, args);
        if (errors !== undefined) return { errors };
        const { source, follow } = executable;
        if (source === undefined || follow === undefined)
          return { errors: [new GraphQLError("The operation is not a subscription")] };
        const take = takesRootAnswer(source, subgraphOperationOf(source), options);
        const context = contextOf(args);
        const result = (answer: ExecutionResult) =>
          answering(async () => {
            // One context per event: batches and sizes of answers are counted by it.
            const run = runOf(variables, { ...context });
            take(run, answer);
            return finished(executable, run, args);
          });
        const answer = await follow(variables, context);
        if (isStream(answer)) return mapped(answer, result);
        // The subscription did not start: a result without data.
        return { errors: (await result(answer)).errors ?? [] };
      }),
  };
}

const runOf = (variables: Readonly<Data>, context: GatewayContext): Run => ({
  ...{ variables, context, copies: createAnswerSize() },
  ...{ data: {}, errors: [], lost: [], propagation: undefined },
});

const contextOf = ({ contextValue }: ExecutionArgs): GatewayContext => contextValue as GatewayContext;

/** Undefined: needs the exact path. */
function shaped(executable: Executable, { data, variables }: Run): { readonly data: Data } | undefined {
  const { shapes, conditions, shaping } = executable;
  const key = conditions.map((name) => String(variables[name])).join();
  const known = shapes.get(key);
  const shape = known ?? shapeOf(shaping, variables);
  if (known === undefined && shapes.size < MAX_SHAPES) shapes.set(key, shape);
  try {
    return { data: shape(data, createAnswerSize().take) };
  } catch (error) {
    if (error instanceof Unusual) return undefined;
    throw error;
  }
}
