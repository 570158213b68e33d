/** Whom each session that waits for a lock waits for. */
export type Waits = ReadonlyMap<number, readonly number[]>;

/** All that a session waits for: its blockers, those that they wait for, and so on. Itself, too, in a deadlock. */
export function chainOf(session: number, waits: Waits): ReadonlySet<number> {
  const chain = new Set<number>();
  const open = [...(waits.get(session) ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (chain.has(next)) continue;
    chain.add(next);
    open.push(...(waits.get(next) ?? []));
  }
  return chain;
}

/** The sessions that wait for each other, in the order given. */
export const deadlocked = (sessions: readonly number[], waits: Waits): readonly number[] =>
  sessions.filter((session) => chainOf(session, waits).has(session));

/**
 * The sessions that the end of one transaction could let go together with an earlier one: their chain meets that of an earlier session
 * that is not in this list itself. In the order given, which is that of waiting.
 */
export function releasedTogether(sessions: readonly number[], waits: Waits): readonly number[] {
  const awaited = new Set<number>();
  return sessions.filter((session) => {
    const chain = [...chainOf(session, waits)];
    if (chain.some((one) => awaited.has(one))) return true;
    for (const one of chain) awaited.add(one);
    return false;
  });
}
