/** Parts below this size are copied together. */
const SMALL_BYTES = 4_096;
const [MIN_BLOCK_BYTES, MAX_BLOCK_BYTES] = [256, 16_384];

/** The parts of a body as they arrive. */
export interface BodyParts {
  add(part: Buffer): void;
  whole(): Buffer;
  /** Bytes of the buffers that are held. */
  heldBytes(): number;
  /** Buffers that are held. */
  count(): number;
}

/**
 * Collects a body in memory that is in proportion to its bytes, whatever the size of its parts, which the client chooses: each
 * buffer takes hundreds of bytes beside its own, so small parts share one.
 */
export function createBodyParts(): BodyParts {
  const parts: Buffer[] = [];
  let bytes = 0;
  let block: Buffer | undefined;
  let used = 0;

  function endBlock(): void {
    if (block !== undefined)
      parts.push(used * 2 < block.length ? Buffer.from(block.subarray(0, used)) : block.subarray(0, used));
    block = undefined;
    used = 0;
  }

  function copy(part: Buffer): void {
    if (block !== undefined && used + part.length > block.length) endBlock();
    // As large as all before.
    block ??= Buffer.allocUnsafeSlow(
      Math.max(part.length, Math.min(MAX_BLOCK_BYTES, Math.max(MIN_BLOCK_BYTES, bytes))),
    );
    used += part.copy(block, used);
  }

  return {
    add(part) {
      // Most bodies arrive in one part.
      if (bytes === 0 || part.length >= SMALL_BYTES) {
        endBlock();
        parts.push(part);
      } else copy(part);
      bytes += part.length;
    },
    whole() {
      endBlock();
      const [only] = parts;
      return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    },
    heldBytes: () => parts.reduce((sum, { length }) => sum + length, block?.length ?? 0),
    count: () => parts.length + (block === undefined ? 0 : 1),
  };
}
