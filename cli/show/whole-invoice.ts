import { createHash } from "node:crypto";
import { asTyped } from "../as-typed.js";
import { askGraph, type Connection } from "../connection/connection.js";
import { UserError } from "../connection/failure.js";
import { graphql } from "../graphql/index.js";
import { invoicesAdvice } from "./print.js";

const PART = graphql(`
  query InvoicePart($id: ID!, $part: Int!) {
    invoice(id: $id) { status sha256 generatedAt documentPart(part: $part) }
  }
`);

export interface WholeInvoice {
  readonly document: string;
  readonly sha256: string;
  readonly generatedAt: string;
}

/** The numbers on paper are in capitals; commands take ids, `inv_acme_000001`. */
const isNumber = (id: string): boolean => /^[A-Z0-9_+-]+-\d{6,}$/.test(id);

/** An invoice with its document, of any size. Throws `UserError` if there is none, or if its hash is wrong. */
export async function wholeInvoice(
  connection: Connection,
  id: string,
): Promise<WholeInvoice & { readonly status: string }> {
  let document = "";
  for (let part = 0; ; part += 1) {
    const { invoice } = await askGraph(connection, PART, { id, part });
    if (invoice === null)
      throw new UserError(
        `NOT_FOUND: There is no invoice ${id}${isNumber(id) ? ", which looks like an invoice's number" : ""}. ${invoicesAdvice()}`,
      );
    const { documentPart, ...head } = invoice;
    document += documentPart ?? "";
    if (documentPart !== null) continue;
    if (createHash("sha256").update(document, "utf8").digest("hex") !== head.sha256)
      throw new UserError(`${id} does not match its SHA-256. Check it: ${asTyped(`invoices verify ${id}`)}`);
    return { ...head, document };
  }
}
