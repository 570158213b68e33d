declare module "cluster-key-slot" {
  /** The slot, 0 to 16383, that a Redis Cluster keeps a key in: of its hash tag, if it has one. */
  export default function calculateSlot(key: string): number;
}
