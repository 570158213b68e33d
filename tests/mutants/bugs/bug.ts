import type { Edit } from "../../support/checkout-copy.js";

/** A seeded bug: a slip of a few lines that compiles, as a change of the product's code. */
export interface Bug {
  readonly name: string;
  /** What is wrong, in a user's words. */
  readonly wrong: string;
  /** The promise that it breaks. */
  readonly breaks: string;
  readonly edits: readonly [Edit, ...Edit[]];
  /** Written from the product's code alone, before any test was read. */
  readonly unseen?: true;
  /** The bug reverses a fix: the subject of its commit, and the test that was written with it. */
  readonly reverses?: { readonly fix: string; readonly ownTest: string };
  /** Nothing would have caught it: the test that was written or strengthened for it then. */
  readonly hole?: { readonly ownTest: string };
}

/** The test that was written for it: that one says nothing about the others. */
export const ownTestOf = ({ reverses, hole }: Bug): string | undefined => (hole ?? reverses)?.ownTest;
