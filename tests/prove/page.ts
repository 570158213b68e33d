import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "#platform/process/package-root.js";
import { PROMISES, type Promised, type Proof } from "./promises.js";

const PAGE = path.join(packageRoot(), "docs/correctness.md");
const [BEGIN, END] = ["<!-- proofs: begin -->", "<!-- proofs: end -->"];

/** The page on correctness, with the list of promises and proofs. */
export function pageWith(promises: readonly Promised[] = PROMISES): { readonly is: string; readonly should: string } {
  const is = readFileSync(PAGE, "utf8");
  const [before = "", rest = ""] = is.split(BEGIN);
  const after = rest.split(END)[1];
  if (after === undefined) throw new Error(`${PAGE} has no place for the proofs: ${BEGIN} … ${END}`);
  return { is, should: `${before}${BEGIN}\n\n${promises.map(sectionOf).join("\n\n")}\n\n${END}${after}` };
}

export function writePage(): void {
  writeFileSync(PAGE, pageWith().should);
}

function sectionOf({ id, title, proofs }: Promised): string {
  const heading = /^\d$/.test(id) ? `${id}. ${title}` : title;
  return [`**${heading}**`, "", ...proofs.map((proof) => `- ${textOf(proof)}`)].join("\n");
}

function textOf({ path: at, note }: Proof): string {
  if (at === undefined) return note ?? "";
  return note === undefined ? `\`${at}\`` : `\`${at}\` (${note})`;
}
