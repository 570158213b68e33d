import type { ConnectionInitMessage, Context, ServerOptions, SubscribePayload } from "graphql-ws";

/** Never settles: what awaits it is collected as garbage. */
const never = (): Promise<never> => new Promise(() => undefined);

/**
 * The options with hooks that let a client use an id again as soon as it has completed the operation. graphql-ws knows operations by
 * their ids only, and its work on a completed one goes on to its next step: there it would answer, complete and forget the operation
 * that has the id since then, whose source then stays open for ever. Such work is stopped at its next hook; each of those steps has one.
 */
export function withReusedIds<Params extends ConnectionInitMessage["payload"], Extra>(
  options: ServerOptions<Params, Extra>,
): ServerOptions<Params, Extra> {
  /** The payload of the operation that has the id: each message has its own. */
  const owners = new WeakMap<Context<Params, Extra>, Map<string, SubscribePayload>>();
  const ownersOf = (context: Context<Params, Extra>): Map<string, SubscribePayload> => {
    const known = owners.get(context) ?? new Map<string, SubscribePayload>();
    owners.set(context, known);
    return known;
  };
  const isReplaced = (context: Context<Params, Extra>, id: string, payload: SubscribePayload): boolean => {
    const owner = owners.get(context)?.get(id);
    return owner !== undefined && owner !== payload;
  };
  return {
    ...options,
    async onSubscribe(context, id, payload) {
      ownersOf(context).set(id, payload);
      const prepared = await options.onSubscribe?.(context, id, payload);
      if (isReplaced(context, id, payload)) return never();
      // It was completed, and its errors are told to nobody.
      if (Array.isArray(prepared) && !(id in context.subscriptions)) ownersOf(context).delete(id);
      return prepared;
    },
    async onOperation(context, id, payload, args, result) {
      if (!isReplaced(context, id, payload)) return options.onOperation?.(context, id, payload, args, result);
      if ("return" in result) await result.return?.(undefined);
      return never();
    },
    async onNext(context, id, payload, args, result) {
      const changed = await options.onNext?.(context, id, payload, args, result);
      return isReplaced(context, id, payload) ? never() : changed;
    },
    async onError(context, id, payload, errors) {
      const changed = await options.onError?.(context, id, payload, errors);
      if (isReplaced(context, id, payload)) return never();
      ownersOf(context).delete(id);
      return changed;
    },
    async onComplete(context, id, payload) {
      if (isReplaced(context, id, payload)) return never();
      ownersOf(context).delete(id);
      return options.onComplete?.(context, id, payload);
    },
  };
}
