import { invoicePdf } from "./pdf.js";
import type { PaperName } from "./sizes.js";
import type { Paper } from "./words.js";

// One PDF, in a process of its own: see pdf-process.ts.
process.once("message", async ({ paper, size }: { paper: Paper; size: PaperName }) => {
  const pdf = await invoicePdf(paper, size);
  process.send?.(pdf, () => process.disconnect());
});
