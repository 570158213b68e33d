import fc from "fast-check";
import { Partitioners } from "kafkajs";
import { expect, test } from "vitest";
import { partitionOf } from "./partition.js";

test("the partition of a tenant is the one that Kafka's default partitioner picks", () => {
  const kafka = Partitioners.DefaultPartitioner();
  const partitionMetadata = Array.from({ length: 64 }, (_, partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: 1,
    replicas: [1],
    isr: [1],
  }));
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: "grapheme" }), (key) => {
      const expected = kafka({ topic: "t", partitionMetadata, message: { key, value: null } });
      expect(partitionOf(key, 64)).toBe(expected);
    }),
  );
});
