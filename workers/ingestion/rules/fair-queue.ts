/** Elements of many senders that wait for one worker. */
export interface FairQueue<T> {
  push(sender: string, element: T, cost: number): void;
  /** Removes what is served next: at least one element if any waits, and no more than `maxCost` of them together. */
  take(maxCost: number): T[];
  readonly size: number;
}

interface Line<T> {
  readonly elements: { readonly element: T; readonly cost: number }[];
  /** What the sender may still spend in this round. */
  credit: number;
}

/**
 * Deficit round robin (Shreedhar and Varghese, 1995): in each round each sender with something waiting gets the same credit,
 * so one that sends fifty times as much waits for itself and not the others for it. In order of arrival within a sender.
 */
export function createFairQueue<T>(creditPerRound: number): FairQueue<T> {
  // A Map keeps the order of insertion: the first line is the next one served, and goes to the end when its credit is used.
  const lines = new Map<string, Line<T>>();
  let size = 0;

  function next(): { readonly element: T; readonly cost: number; remove(): void } | undefined {
    for (;;) {
      const [first] = lines;
      if (first === undefined) return undefined;
      const [sender, line] = first;
      const head = line.elements[0];
      if (head !== undefined && head.cost <= line.credit) return { ...head, remove: () => remove(sender, line) };
      lines.delete(sender);
      line.credit += creditPerRound;
      lines.set(sender, line);
    }
  }

  function remove(sender: string, line: Line<T>): void {
    size -= 1;
    line.credit -= line.elements.shift()?.cost ?? 0;
    // Credit is not saved up: who comes back begins like anybody else.
    if (line.elements.length === 0) lines.delete(sender);
  }

  return {
    get size() {
      return size;
    },
    push(sender, element, cost) {
      const line = lines.get(sender) ?? { elements: [], credit: creditPerRound };
      line.elements.push({ element, cost });
      lines.set(sender, line);
      size += 1;
    },
    take(maxCost) {
      const taken: T[] = [];
      let cost = 0;
      for (let one = next(); one !== undefined; one = next()) {
        cost += one.cost;
        if (taken.length > 0 && cost > maxCost) break;
        one.remove();
        taken.push(one.element);
      }
      return taken;
    },
  };
}
