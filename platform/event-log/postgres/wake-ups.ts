/** Tells waiting readers of a partition that there may be something new. */
export interface WakeUps {
  /** Starts to listen now, so that a wake-up between a read and the wait after it is not lost. Call `done` afterwards. */
  listen(topic: string, partition: number): WakeUp;
  wake(topic: string, partition: number): void;
  wakeAll(): void;
  /** Waits for the time to pass or for `wakeAll`. */
  pause(timeoutMs: number): Promise<void>;
}

export interface WakeUp {
  within(timeoutMs: number): Promise<void>;
  done(): void;
}

export function createWakeUps(): WakeUps {
  const listeners = new Map<string, Set<() => void>>();
  const pauses = new Set<() => void>();
  const keyOf = (topic: string, partition: number) => `${topic}/${partition}`;

  function listen(topic: string, partition: number): WakeUp {
    const key = keyOf(topic, partition);
    const ofPartition = listeners.get(key) ?? new Set();
    listeners.set(key, ofPartition);
    let awake = false;
    let end = () => {};
    const wake = () => {
      awake = true;
      end();
    };
    ofPartition.add(wake);
    return {
      within: (timeoutMs) =>
        new Promise((resolve) => {
          if (awake) return resolve();
          const timer = setTimeout(resolve, timeoutMs);
          end = () => {
            clearTimeout(timer);
            resolve();
          };
        }),
      done: () => ofPartition.delete(wake),
    };
  }

  return {
    listen,
    wake(topic, partition) {
      for (const wake of listeners.get(keyOf(topic, partition)) ?? []) wake();
    },
    wakeAll() {
      for (const ofPartition of listeners.values()) for (const wake of ofPartition) wake();
      for (const end of pauses) end();
    },
    pause: (timeoutMs) =>
      new Promise((resolve) => {
        const end = () => {
          clearTimeout(timer);
          pauses.delete(end);
          resolve();
        };
        const timer = setTimeout(end, timeoutMs);
        pauses.add(end);
      }),
  };
}
