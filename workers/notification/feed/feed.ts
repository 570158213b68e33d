import { MetrlyError } from "#kernel/errors.js";
import type { Database } from "#platform/database/database.js";
import { keepListening } from "#platform/database/listen.js";
import { repeat } from "#platform/lifecycle/repeat.js";
import type { EventType } from "#schema/webhook-events.js";
import { lastNumbers, type NoticeOf, readNotices, type StoredNotice } from "../store/feed.js";
import { NOTICES_CHANNEL } from "../store/notices.js";
import { createSharedReads } from "./shared-reads.js";
import { type Follower, followStream } from "./stream.js";

/** Page size per follower: the maximum held in memory for a slow one. */
const PAGE = 100;
const POLL_MS = 2_000;

export type Feed = ReturnType<typeof startFeed>;

export interface FeedOptions {
  readonly database: Database;
  readonly onError: (error: unknown) => void;
  readonly pollMs?: number;
}

/**
 * Wake, then read: a notification only names a tenant with something new, the rows always come from the database after the last
 * number read. A lost or duplicate wake-up costs time, never a notice.
 */
export function startFeed(options: FeedOptions) {
  const { database } = options;
  const followers = new Map<string, Set<Follower>>();
  const endOf = createSharedReads<number>();
  const pageOf = createSharedReads<readonly StoredNotice[]>();

  function wake(tenantId: string): void {
    for (const follower of followers.get(tenantId) ?? []) follower.wake();
  }

  const listener = keepListening({
    database,
    channel: NOTICES_CHANNEL,
    onNotification: wake,
    onConnect: () => {
      for (const tenantId of followers.keys()) wake(tenantId);
    },
    onError: options.onError,
  });

  /** The end of each followed stream at the last poll. */
  const polled = new Map<string, number>();

  /** The fallback for LISTEN: one query for all followers of this process. */
  async function poll(): Promise<void> {
    if (followers.size === 0) return;
    const last = await lastNumbers(database, [...followers.keys()]);
    for (const [tenantId, number] of last) {
      if (polled.get(tenantId) === number || !followers.has(tenantId)) continue;
      polled.set(tenantId, number);
      wake(tenantId);
    }
  }

  const polling = repeat({
    everyMs: options.pollMs ?? POLL_MS,
    first: "later",
    unref: true,
    run: poll,
    onError: options.onError,
  });

  function enter(follower: Follower): void {
    const others = followers.get(follower.tenantId);
    if (others === undefined) followers.set(follower.tenantId, new Set([follower]));
    else others.add(follower);
  }

  function leave(follower: Follower): void {
    const others = followers.get(follower.tenantId);
    others?.delete(follower);
    if (others?.size !== 0) return;
    followers.delete(follower.tenantId);
    polled.delete(follower.tenantId);
  }

  return {
    /**
     * A tenant's notices of some types after a number (or from now on), then live, in order, without gaps or duplicates.
     * Resolves once the position is fixed: later commits are delivered. Throws INVALID for a position that the stream has not
     * reached, since everything up to it would silently be missing.
     */
    async follow<Type extends EventType>(tenantId: string, types: readonly Type[], after?: number) {
      const end = await endOf(tenantId, async () => (await lastNumbers(database, [tenantId])).get(tenantId) ?? 0);
      if (after !== undefined && after > end)
        throw new MetrlyError("INVALID", "`after` is ahead of the stream: is it another tenant's cursor?");
      const read = async (from: number) => {
        const page = await pageOf(JSON.stringify([tenantId, types, from]), () =>
          readNotices(database, tenantId, types, from, PAGE),
        );
        // The key has the types.
        return page as readonly NoticeOf<Type>[];
      };
      return followStream(tenantId, after ?? end, read, enter, leave);
    },
    size: () => [...followers.values()].reduce((sum, set) => sum + set.size, 0),
    async stop() {
      for (const set of followers.values()) for (const follower of set) follower.end();
      await Promise.all([listener.stop(), polling.stop()]);
    },
  };
}
