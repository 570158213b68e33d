/** Wakes the readers of a partition when it may have new records. */
export interface WakeUps {
  /** Calls `wake` from now on; the answer ends that. */
  listen(topic: string, partition: number, wake: () => void): () => void;
  wake(topic: string, partition: number): void;
}

export function createWakeUps(): WakeUps {
  const listeners = new Map<string, Set<() => void>>();
  const keyOf = (topic: string, partition: number) => `${topic}/${partition}`;
  return {
    listen(topic, partition, wake) {
      const key = keyOf(topic, partition);
      const ofPartition = listeners.get(key) ?? new Set();
      listeners.set(key, ofPartition.add(wake));
      return () => ofPartition.delete(wake);
    },
    wake(topic, partition) {
      for (const wake of listeners.get(keyOf(topic, partition)) ?? []) wake();
    },
  };
}
