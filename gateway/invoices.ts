import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { parse } from "graphql";
import { isErrorCode, MetrlyError } from "#kernel/errors.js";
import { isJsonObject } from "#kernel/json.js";
import { createFairTurns, inTurn, type TurnLimits } from "#platform/lifecycle/fair-turns.js";
import { invoicePage } from "#platform/paper/page.js";
import { pdfInProcess } from "#platform/paper/pdf-process.js";
import { PAPER_NAMES } from "#platform/paper/sizes.js";
import { type Paper, paperOf } from "#platform/paper/words.js";
import { readInvoice } from "#schema/events/invoice.v2.js";
import type { Identity } from "#schema/policy.js";
import type { Authentication } from "./auth/authentication.js";
import type { Federation } from "./federation/federation.js";
import { toClientError } from "./operations/client-error.js";

export interface InvoiceRoutes {
  readonly federation: Federation;
  readonly authentication: Authentication;
  readonly onBug: (error: unknown) => void;
}

const INVOICE = parse("query InvoiceOnPaper($id: ID!) { invoice(id: $id) { document sha256 generatedAt } }");
/** Each is a process with a core of its own. Two, so that nobody waits for the long invoices of one tenant. */
const PDF_TURNS: TurnLimits = { atOnce: 2, perCaller: 1, waitingPerCaller: 4, waiting: 40 };
const PRIVATE = {
  "cache-control": "private, no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/**
 * `GET /invoices/:id/page` and `/invoices/:id/pdf` (`?paper=letter`; default: a4): an invoice as its customer gets it, for whoever may
 * read it in the graph.
 */
export function registerInvoices(app: FastifyInstance, { federation, authentication, onBug }: InvoiceRoutes): void {
  const turns = createFairTurns(PDF_TURNS);

  app.get("/invoices/:id/page", async (request, reply) => {
    const { paper } = await paperFor(request);
    return reply
      .headers({ ...PRIVATE, "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'" })
      .type("text/html; charset=utf-8")
      .send(invoicePage(paper));
  });

  app.get("/invoices/:id/pdf", async (request, reply): Promise<FastifyReply> => {
    const size = PAPER_NAMES.find((name) => name === (memberOf(request.query, "paper") ?? "a4"));
    if (size === undefined) throw new MetrlyError("INVALID", `\`paper\` is one of ${PAPER_NAMES.join(", ")}`);
    const { paper, identity } = await paperFor(request);
    const caller = identity.tenantId ?? identity.id;
    const pdf = await inTurn(turns, caller, "Too many PDFs are being made; try again later", () =>
      pdfInProcess(paper, size),
    );
    return reply
      .headers({ ...PRIVATE, "content-disposition": `inline; filename="${paper.number}.pdf"` })
      .type("application/pdf")
      .send(pdf);
  });

  async function paperFor(request: FastifyRequest): Promise<{ paper: Paper; identity: Identity }> {
    const session = await authentication.authenticate(request.headers.authorization);
    const { identity } = session;
    const id = String(memberOf(request.params, "id"));
    const { data, errors } = await federation.execute({
      schema: federation.schema,
      document: INVOICE,
      variableValues: { id },
      contextValue: { identity },
    });
    const [failed] = errors ?? [];
    if (failed !== undefined) throw errorOf(failed);
    const invoice = memberOf(data, "invoice");
    if (!isJsonObject(invoice)) throw new MetrlyError("NOT_FOUND", "It does not exist");
    const { document, sha256, generatedAt } = invoice;
    const text = String(document);
    if (createHash("sha256").update(text, "utf8").digest("hex") !== sha256)
      throw new Error(`the document of invoice ${id} does not match its SHA-256`);
    const issuedAt = Date.parse(String(generatedAt));
    return { paper: paperOf({ document: readInvoice(text), sha256, issuedAt }), identity };
  }

  function errorOf(failed: Parameters<typeof toClientError>[0]): MetrlyError {
    const { message, extensions } = toClientError(failed, onBug);
    const { code, ...rest } = extensions;
    return new MetrlyError(isErrorCode(code) ? code : "INTERNAL", message, rest);
  }
}

const memberOf = (value: unknown, name: string): unknown => (isJsonObject(value) ? value[name] : undefined);
