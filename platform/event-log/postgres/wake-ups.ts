/** Wakes the readers of a partition, named by its place, when it may have new records. */
export interface WakeUps {
  /** Calls `wake` from now on; the answer ends that. */
  listen(place: string, wake: () => void): () => void;
  wake(place: string): void;
}

export const placeOf = (topic: string, partition: number): string => `${topic}/${partition}`;

export function createWakeUps(): WakeUps {
  const listeners = new Map<string, Set<() => void>>();
  return {
    listen(place, wake) {
      const there = listeners.get(place) ?? new Set();
      listeners.set(place, there.add(wake));
      return () => there.delete(wake);
    },
    wake(place) {
      for (const wake of listeners.get(place) ?? []) wake();
    },
  };
}
