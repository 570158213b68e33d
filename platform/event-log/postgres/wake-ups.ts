/** Wakes the readers of a partition, named by its place, when it may have new records. */
export interface WakeUps {
  /** Calls `wake` from now on; the answer ends that. */
  listen(place: string, wake: Wake): () => void;
  wake(place: string, appended: AppendedBy): void;
  /** Whether anything listens there. */
  isHeard(place: string): boolean;
}

/** Whether this process appended there, or another one. */
export type AppendedBy = "here" | "elsewhere";
type Wake = (appended: AppendedBy) => void;

export const placeOf = (topic: string, partition: number): string => `${topic}/${partition}`;

export function createWakeUps(): WakeUps {
  const listeners = new Map<string, Set<Wake>>();
  return {
    listen(place, wake) {
      const there = listeners.get(place) ?? new Set();
      listeners.set(place, there.add(wake));
      return () => there.delete(wake);
    },
    wake(place, appended) {
      for (const wake of listeners.get(place) ?? []) wake(appended);
    },
    isHeard: (place) => (listeners.get(place)?.size ?? 0) > 0,
  };
}
