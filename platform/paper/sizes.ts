/** The sizes of paper that a PDF can have. */
export const PAPER_NAMES = ["a4", "letter"] as const;
export type PaperName = (typeof PAPER_NAMES)[number];
