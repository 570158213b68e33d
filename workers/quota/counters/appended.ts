/**
 * The list with one more at its end, to be used in its place. An array that begins empty and grows has room for seventeen; most
 * lists of one decision get one item, and what is allocated for each decision is what garbage collection costs.
 */
export function appended<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}
