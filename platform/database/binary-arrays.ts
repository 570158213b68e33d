/**
 * Arrays as PostgreSQL receives them in binary form: a parameter that is a Buffer goes to the server as it is, without text on either
 * side. Format: `array_recv` (src/backend/utils/adt/arrayfuncs.c) and the `_recv` function of the element's type.
 */

/** Object identifiers of the types (src/include/catalog/pg_type.dat). */
const UUID = 2950;
const BIGINT = 20;
const BYTEA = 17;

const UUID_BYTES = 16;
const BIGINT_BYTES = 8;
const HEAD_BYTES = 20;
const NULL = -1;
const WORD = 0x1_0000_0000;

/** `uuid[]` of binary strings: 16 characters each, of which each is a byte. Throws RangeError for one of another length. */
export function uuidArray(uuids: readonly string[]): Buffer {
  const array = arrayOf(UUID, uuids.length, uuids.length * UUID_BYTES, false);
  let at = HEAD_BYTES;
  for (const uuid of uuids) {
    if (uuid.length !== UUID_BYTES) throw new RangeError(`a uuid has ${UUID_BYTES} bytes, not ${uuid.length}`);
    array.writeInt32BE(UUID_BYTES, at);
    array.write(uuid, at + 4, "latin1");
    at += 4 + UUID_BYTES;
  }
  return array;
}

/** `bigint[]` of whole numbers. Throws RangeError for a number that is none. */
export function bigintArray(numbers: readonly (number | null)[]): Buffer {
  const nulls = numbers.reduce<number>((count, number) => (number === null ? count + 1 : count), 0);
  const array = arrayOf(BIGINT, numbers.length, (numbers.length - nulls) * BIGINT_BYTES, nulls > 0);
  let at = HEAD_BYTES;
  for (const number of numbers) {
    if (number === null) {
      array.writeInt32BE(NULL, at);
      at += 4;
      continue;
    }
    if (!Number.isSafeInteger(number)) throw new RangeError(`${number} is not a whole number`);
    const high = Math.floor(number / WORD);
    array.writeInt32BE(BIGINT_BYTES, at);
    array.writeInt32BE(high, at + 4);
    array.writeUInt32BE(number - high * WORD, at + 8);
    at += 4 + BIGINT_BYTES;
  }
  return array;
}

/** `bytea[]`. */
export function byteaArray(elements: readonly (Buffer | null)[]): Buffer {
  const bytes = elements.reduce((sum, element) => sum + (element?.length ?? 0), 0);
  const array = arrayOf(BYTEA, elements.length, bytes, elements.includes(null));
  let at = HEAD_BYTES;
  for (const element of elements) {
    array.writeInt32BE(element?.length ?? NULL, at);
    at += 4;
    if (element === null) continue;
    element.copy(array, at);
    at += element.length;
  }
  return array;
}

/** With its head, for elements of so many bytes in all, each of which has its length before it. */
function arrayOf(type: number, count: number, bytes: number, hasNulls: boolean): Buffer {
  // An array without elements has no dimension.
  const array = Buffer.allocUnsafe(count === 0 ? 12 : HEAD_BYTES + 4 * count + bytes);
  array.writeInt32BE(count === 0 ? 0 : 1, 0);
  array.writeInt32BE(hasNulls ? 1 : 0, 4);
  array.writeInt32BE(type, 8);
  if (count === 0) return array;
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  return array;
}
