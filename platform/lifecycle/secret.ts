import { randomBytes } from "node:crypto";

/** Bytes nobody can guess: for keys, passwords and whatever else grants something. No simulation replaces them. */
export const randomSecret = (bytes: number): Buffer => randomBytes(bytes);
