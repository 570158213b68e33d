/**
 * The partition of a tenant: murmur2 as in Kafka's default partitioner, so that external producers keyed by tenant id agree.
 * Source: org.apache.kafka.common.utils.Utils#murmur2.
 */
export function partitionOf(tenantId: string, partitionCount: number): number {
  return (murmur2(new TextEncoder().encode(tenantId)) & 0x7fffffff) % partitionCount;
}

const M = 0x5bd1e995;

function murmur2(bytes: Uint8Array): number {
  let h = 0x9747b28c ^ bytes.length;
  const whole = bytes.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = byte(bytes, i) | (byte(bytes, i + 1) << 8) | (byte(bytes, i + 2) << 16) | (byte(bytes, i + 3) << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = bytes.length & 3;
  if (rest >= 3) h ^= byte(bytes, whole + 2) << 16;
  if (rest >= 2) h ^= byte(bytes, whole + 1) << 8;
  if (rest >= 1) h = Math.imul(h ^ byte(bytes, whole), M);
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
