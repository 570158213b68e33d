import { createHash } from "node:crypto";
import { readInvoice } from "#schema/events/invoice.v2.js";
import { invoicePage } from "./page.js";
import type { PaperName } from "./sizes.js";
import { paperOf } from "./words.js";

/** An invoice as it is stored. */
export interface StoredInvoice {
  /** The document, byte for byte. */
  readonly text: string;
  /** Of the text, hex. */
  readonly sha256: string;
  /** When it was written, epoch ms. */
  readonly issuedAt: number;
}

/** A page of HTML, or a PDF. */
export type PrintFormat =
  | { readonly kind: "page" }
  | {
      readonly kind: "pdf";
      readonly size: PaperName;
    };

export interface Printed {
  /** The invoice's own, e.g. `ACME-000001`. */
  readonly number: string;
  readonly bytes: Uint8Array;
}

/**
 * The invoice on paper; takes processor time in proportion to its document. Throws an Error if the document does not match its
 * hash, and UpgradeRequired for one that newer code wrote.
 */
export async function printInvoice({ text, sha256, issuedAt }: StoredInvoice, format: PrintFormat): Promise<Printed> {
  if (createHash("sha256").update(text, "utf8").digest("hex") !== sha256)
    throw new Error(`the document with the SHA-256 ${sha256} does not match it`);
  const paper = paperOf({ document: readInvoice(text), sha256, issuedAt });
  const { number } = paper;
  if (format.kind === "page") return { number, bytes: Buffer.from(invoicePage(paper)) };
  // Loaded lazily: it takes as much memory as a service.
  const { invoicePdf } = await import("./pdf.js");
  return { number, bytes: await invoicePdf(paper, format.size) };
}
