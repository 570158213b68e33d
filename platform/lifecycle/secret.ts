import { randomBytes } from "node:crypto";

/** Unguessable bytes, for keys, passwords and other credentials. No simulation replaces them. */
export const randomSecret = (bytes: number): Buffer => randomBytes(bytes);
