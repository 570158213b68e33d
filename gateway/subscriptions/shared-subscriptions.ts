import type { ExecutionArgs, ExecutionResult } from "graphql";
import { nextTurn } from "#platform/lifecycle/time.js";
import { isStream } from "../federation/subgraph.js";
import type { GatewayContext } from "../operations/operation.js";
import {
  createSubscriptionPreparation,
  type PreparedSubscription,
  type ResumableFields,
  SHARED_NAMES,
} from "../subgraphs/resumable.js";

/** The receiver of results: one operation of one client. */
export interface Outlet {
  /** `payload` is the JSON of a result, the same bytes for every member of the group. */
  send(payload: Buffer): void;
  /** Resolves when the client can take more; immediately unless it is slow. */
  ready(): Promise<void> | undefined;
}

/** Represents an operation whose results go to its outlet: iterating it yields nothing and ends with the results. */
export interface SharedOperation extends AsyncIterableIterator<never> {
  readonly isShared: true;
  /** Results buffered so far are sent now. */
  attach(outlet: Outlet): void;
}

export const isSharedOperation = (result: unknown): result is SharedOperation =>
  typeof result === "object" && result !== null && "isShared" in result;

export interface SharedSubscriptionsOptions {
  readonly fields: ResumableFields;
  /** Encodes a result as clients see it. */
  encode(result: ExecutionResult): Buffer;
  /** As graphql-js' `subscribe`. */
  readonly subscribe: (args: ExecutionArgs) => Promise<Answer>;
  /** Resolves when results may be sent; undefined: now. */
  readonly sendable: () => Promise<void> | undefined;
}

/** Results sent in one turn of the event loop: about ten milliseconds. */
const MEMBERS_PER_TURN = 1_000;

type Results = AsyncIterable<ExecutionResult>;
type Answer = Results | ExecutionResult;

/** Clients with the same operation and identity share a stream. */
interface Group {
  readonly key: string;
  readonly prepared: PreparedSubscription;
  readonly followers: Set<Follower>;
  stream: Stream | undefined;
}

/** The shared execution of a group's caught-up members. */
interface Stream {
  readonly started: Promise<Answer>;
  /** The cursor of the members' last result; undefined: none yet. */
  position: unknown;
  readonly members: Set<Follower>;
  stop(): void;
}

interface Follower {
  readonly args: ExecutionArgs;
  readonly deliver: (payload: Buffer) => void;
  readonly ready: () => Promise<void> | undefined;
  readonly end: () => void;
  /** The cursor of its last result, or its starting position; undefined: from now on. */
  position: unknown;
  /** Ends the separate execution that it catches up with. */
  leaveOwn: (() => void) | undefined;
}

/**
 * Executes a subscription once for all clients with the same operation and identity, and encodes each result once. A
 * client that starts at a position has a separate execution until both have delivered the same result last; then it joins
 * the shared one, so that it misses and repeats nothing.
 */
export function createSharedSubscriptions(options: SharedSubscriptionsOptions) {
  const groups = new Map<string, Group>();
  const prepare = createSubscriptionPreparation(options.fields, SHARED_NAMES);
  const run = options.subscribe;

  function encoded(prepared: PreparedSubscription, result: ExecutionResult): { payload: Buffer; cursor: unknown } {
    const { data } = result;
    const cursor = data === undefined || data === null ? undefined : prepared.takeCursor(data);
    return { payload: options.encode(result), cursor };
  }

  /** Sends results until they end or `isOver`; returns the unsubscribe function. */
  function pump(results: Results, take: (result: ExecutionResult) => Promise<void> | undefined, ended: () => void) {
    const iterator = results[Symbol.asyncIterator]();
    let isLeft = false;
    async function loop(): Promise<void> {
      for (;;) {
        const { done, value } = await iterator.next();
        if (isLeft) return;
        if (done === true) return ended();
        const waiting = options.sendable();
        if (waiting !== undefined) await waiting;
        if (isLeft) return;
        await take(value);
        if (isLeft) return;
      }
    }
    loop().catch(ended);
    return () => {
      if (isLeft) return;
      isLeft = true;
      void iterator.return?.();
    };
  }

  function startStream(group: Group, args: ExecutionArgs): Stream {
    let leave: (() => void) | undefined;
    let isStopped = false;
    const { prepared } = group;
    const stream: Stream = {
      members: new Set(),
      position: undefined,
      started: run({ ...args, document: prepared.document, variableValues: prepared.variablesFromNow() }),
      stop() {
        isStopped = true;
        leave?.();
        if (group.stream === stream) group.stream = undefined;
      },
    };
    group.stream = stream;
    stream.started.then(
      (answer) => {
        if (!isStream(answer)) return stream.stop();
        leave = pump(
          answer,
          (result) => {
            const { payload, cursor } = encoded(prepared, result);
            stream.position = cursor ?? stream.position;
            const delivering = deliverToAll(stream, payload);
            // They are members before the next result, and those that join only now have this one.
            for (const follower of group.followers) join(group, follower);
            return delivering;
          },
          () => {
            stream.stop();
            for (const member of stream.members) member.end();
          },
        );
        if (isStopped) leave();
      },
      () => stream.stop(),
    );
    return stream;
  }

  /** To those that are members now, some in each turn of the event loop. Undefined: done. */
  function deliverToAll(stream: Stream, payload: Buffer): Promise<void> | undefined {
    const { position } = stream;
    const members = [...stream.members];
    let delivered = 0;
    function deliverSome(): void {
      for (const member of members.slice(delivered, delivered + MEMBERS_PER_TURN)) {
        if (!stream.members.has(member)) continue;
        member.position = position;
        member.deliver(payload);
      }
      delivered += MEMBERS_PER_TURN;
    }
    async function deliverRest(): Promise<void> {
      while (delivered < members.length) {
        await new Promise<void>(nextTurn);
        await options.sendable();
        deliverSome();
      }
    }
    deliverSome();
    return delivered < members.length ? deliverRest() : undefined;
  }

  /** A follower whose last result equals the members' last result becomes a member. */
  function join(group: Group, follower: Follower): void {
    const { stream } = group;
    if (stream === undefined || stream.members.has(follower) || stream.position === undefined) return;
    if (follower.position !== stream.position) return;
    follower.leaveOwn?.();
    follower.leaveOwn = undefined;
    stream.members.add(follower);
  }

  function leaveGroup(group: Group, follower: Follower): void {
    follower.leaveOwn?.();
    group.followers.delete(follower);
    group.stream?.members.delete(follower);
    if (group.followers.size > 0) return;
    group.stream?.stop();
    if (groups.get(group.key) === group) groups.delete(group.key);
  }

  /** Undefined: it joined. Otherwise the reason it could not. */
  async function admit(group: Group, follower: Follower): Promise<ExecutionResult | undefined> {
    group.followers.add(follower);
    const fromNow = follower.position === undefined;
    if (fromNow || group.followers.size > 1) {
      const stream = group.stream ?? startStream(group, follower.args);
      const answer = await stream.started;
      if (!isStream(answer)) return answer;
      if (fromNow) {
        stream.members.add(follower);
        return undefined;
      }
      join(group, follower);
      if (stream.members.has(follower)) return undefined;
    }
    const { prepared } = group;
    const own = await run({
      ...follower.args,
      document: prepared.document,
      variableValues: prepared.variables(follower.position),
    });
    if (!isStream(own)) return own;
    // It left, or joined, while its separate execution was starting.
    if (!group.followers.has(follower) || group.stream?.members.has(follower)) {
      void own[Symbol.asyncIterator]().return?.();
      return undefined;
    }
    follower.leaveOwn = pump(
      own,
      (result) => {
        const { payload, cursor } = encoded(prepared, result);
        follower.deliver(payload);
        follower.position = cursor ?? follower.position;
        join(group, follower);
        return follower.ready();
      },
      () => follower.end(),
    );
    return undefined;
  }

  return {
    /** As graphql-js' `subscribe`; shares an execution where possible. */
    async subscribe(args: ExecutionArgs): Promise<Answer | SharedOperation> {
      const variables = args.variableValues ?? {};
      const prepared = prepare(args.document, variables);
      if (!prepared.isResumable) return run(args);
      const { identity }: GatewayContext = args.contextValue as GatewayContext;
      const key = JSON.stringify([identity, prepared.query, args.operationName, prepared.variablesFromNow()]);
      const group = groups.get(key) ?? { key, prepared, followers: new Set(), stream: undefined };
      groups.set(key, group);
      const { operation, follower } = createOperation(args, prepared.after, () => leaveGroup(group, follower));
      const refusal = await admit(group, follower).catch((error: unknown) => {
        leaveGroup(group, follower);
        throw error;
      });
      if (refusal === undefined) return operation;
      leaveGroup(group, follower);
      return refusal;
    },
    /** Numbers of executions and of the operations they serve, for tests and metrics. */
    size: () => ({
      groups: groups.size,
      followers: [...groups.values()].reduce((sum, { followers }) => sum + followers.size, 0),
    }),
  };
}

function createOperation(
  args: ExecutionArgs,
  position: unknown,
  leave: () => void,
): { readonly operation: SharedOperation; readonly follower: Follower } {
  let outlet: Outlet | undefined;
  let waiting: Buffer[] = [];
  let isOver = false;
  let finish: (result: IteratorResult<never, undefined>) => void = () => undefined;
  const finished = new Promise<IteratorResult<never, undefined>>((resolve) => {
    finish = resolve;
  });
  const over = (): void => {
    isOver = true;
    leave();
    finish({ done: true, value: undefined });
  };
  const follower: Follower = {
    args,
    position,
    leaveOwn: undefined,
    deliver(payload) {
      if (isOver) return;
      if (outlet === undefined) waiting.push(payload);
      else outlet.send(payload);
    },
    ready: () => outlet?.ready(),
    end: over,
  };
  const operation: SharedOperation = {
    isShared: true,
    attach(to) {
      outlet = to;
      for (const payload of waiting) to.send(payload);
      waiting = [];
    },
    next: () => finished,
    async return() {
      over();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
  return { operation, follower };
}
