import { type Static, Type } from "@sinclair/typebox";
import { contract } from "./contract.js";

const name = Type.String({ minLength: 1, maxLength: 128 });

const schema = Type.Object({
  /** What the process runs: `all`, `gateway` or a service. */
  role: name,
  /** Unique to a run of a process. */
  instance: name,
  /** The tenancy version up to which the process has applied everything; 0: none yet. */
  version: Type.Integer({ minimum: 0 }),
  /** The encodings of usage that the process reads beside text: others may write one that every process with a lease reads. */
  reads: Type.Optional(Type.Array(name, { maxItems: 32 })),
  /** The process has stopped serving: its lease ends. */
  ended: Type.Optional(Type.Literal(true)),
});

/** A process's report of the tenancy version that it acts on; renews its lease. */
export const tenancyAppliedV1 = contract("metrly.tenancy.applied.v1", schema, {
  role: "quota",
  instance: "quota-5f0c2a91",
  version: 412,
});
export type TenancyAppliedV1 = Static<typeof tenancyAppliedV1.schema>;
