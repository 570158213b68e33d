import type { Admitted } from "../intake/admission.js";

/** Up to this size one turn does all the work on a body. */
const WHOLE_BYTES = 32 << 10;
/** Of a larger body, or of more items, what one turn decides: about a millisecond. */
const SLICE_BYTES = 32 << 10;
const SLICE_ITEMS = 200;
/** The parts of the work on a body that cannot be divided. */
const PARSING = 1 / 4;
const ENCODING = 1 / 4;

/** Bytes of work in the turn that parses a body. */
export const bytesToParse = (bytes: number): number => (bytes > WHOLE_BYTES ? bytes * PARSING : bytes);

/**
 * Decides the parsed items of a body: a small one's immediately, after which it returns undefined; a large one's in turns of their
 * own, between which others' requests are worked on. Resolves in a further turn, to encode the items for the log.
 */
export function inSlices<Item>(
  items: readonly Item[],
  bytes: number,
  { turn }: Pick<Admitted, "turn">,
  decide: (slice: readonly Item[]) => void,
): Promise<void> | undefined {
  const slices = Math.max(
    bytes > WHOLE_BYTES ? Math.ceil(bytes / SLICE_BYTES) : 1,
    Math.ceil(items.length / SLICE_ITEMS),
  );
  if (slices > 1) return decideInTurns();
  decide(items);
  return undefined;

  async function decideInTurns(): Promise<void> {
    const perSlice = Math.ceil(items.length / slices);
    for (let from = 0; from < items.length; from += perSlice) {
      const slice = items.slice(from, from + perSlice);
      await turn((bytes * (1 - PARSING - ENCODING) * slice.length) / items.length);
      decide(slice);
    }
    await turn(bytes * ENCODING);
  }
}
