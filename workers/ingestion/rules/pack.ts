/** Splits a sequence into groups of at most `maxBytes` and `maxCount`, in order; an element over the limit goes alone. */
export function* packed<T>(
  elements: Iterable<T>,
  sizeOf: (element: T) => number,
  limits: { readonly maxBytes: number; readonly maxCount: number },
): Generator<T[]> {
  let group: T[] = [];
  let bytes = 0;
  for (const element of elements) {
    const size = sizeOf(element);
    if (group.length > 0 && (bytes + size > limits.maxBytes || group.length >= limits.maxCount)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(element);
    bytes += size;
  }
  if (group.length > 0) yield group;
}
