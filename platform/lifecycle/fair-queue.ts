/** A queue of many senders' elements for one worker. */
export interface FairQueue<T> {
  push(sender: string, element: T, cost: number): void;
  /** Removes the next elements: at least one if any waits, and at most `maxCost` in total. */
  take(maxCost: number): T[];
  /** Deducts from a sender with waiting elements what one of its elements cost beyond its `cost`. */
  charge(sender: string, cost: number): void;
  readonly size: number;
  /** Senders with waiting elements. */
  readonly senders: number;
}

interface Line<T> {
  /** Those before `first` are removed: taking one from the front of a list takes as long as the list is. */
  elements: ({ readonly element: T; readonly cost: number } | undefined)[];
  first: number;
  /** The sender's remaining credit in this round. */
  credit: number;
}

/** Places of removed elements, at least, before a line is shortened. */
const KEPT = 32;

/**
 * Deficit round robin (Shreedhar and Varghese, 1995): each waiting sender gets the same credit per round, so a sender with
 * fifty times the load delays itself and not the others. FIFO within a sender.
 */
export function createFairQueue<T>(creditPerRound: number): FairQueue<T> {
  // A Map keeps insertion order: the first line is served next, and moves to the end when its credit is used.
  const lines = new Map<string, Line<T>>();
  let size = 0;

  function next(): { readonly element: T; readonly cost: number; remove(): void } | undefined {
    for (;;) {
      const [first] = lines;
      if (first === undefined) return undefined;
      const [sender, line] = first;
      const head = line.elements[line.first];
      if (head !== undefined && head.cost <= line.credit) return { ...head, remove: () => remove(sender, line) };
      lines.delete(sender);
      line.credit += creditPerRound;
      lines.set(sender, line);
    }
  }

  function remove(sender: string, line: Line<T>): void {
    size -= 1;
    line.credit -= line.elements[line.first]?.cost ?? 0;
    line.elements[line.first] = undefined;
    line.first += 1;
    // Credit is not saved: a returning sender starts from zero.
    if (line.first === line.elements.length) lines.delete(sender);
    if (line.first < KEPT || line.first * 2 < line.elements.length) return;
    line.elements = line.elements.slice(line.first);
    line.first = 0;
  }

  return {
    get size() {
      return size;
    },
    get senders() {
      return lines.size;
    },
    push(sender, element, cost) {
      const line = lines.get(sender) ?? { elements: [], first: 0, credit: creditPerRound };
      line.elements.push({ element, cost });
      lines.set(sender, line);
      size += 1;
    },
    charge(sender, cost) {
      const line = lines.get(sender);
      if (line !== undefined) line.credit -= cost;
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
