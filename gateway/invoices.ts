import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { parse } from "graphql";
import { isErrorCode, MetrlyError, noSuch } from "#kernel/errors.js";
import { isJsonObject } from "#kernel/json.js";
import { callerOf } from "#platform/auth/identity.js";
import { disconnectedSignal } from "#platform/http/disconnected.js";
import type { Printed, PrintFormat } from "#platform/paper/print.js";
import type { Printer } from "#platform/paper/printer.js";
import { PAPER_NAMES } from "#platform/paper/sizes.js";
import type { Authentication } from "./auth/authentication.js";
import type { Federation } from "./federation/federation.js";
import { toClientError } from "./operations/client-error.js";

export interface InvoiceRoutes {
  readonly federation: Federation;
  readonly authentication: Authentication;
  readonly printer: Printer;
  readonly onBug: (error: unknown) => void;
}

const INVOICE = parse("query InvoiceOnPaper($id: ID!) { invoice(id: $id) { document sha256 generatedAt } }");
const PRIVATE = {
  "cache-control": "private, no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

/**
 * `GET /invoices/:id/page` and `/invoices/:id/pdf` (`?paper=letter`; default: a4): an invoice as its customer gets it, for whoever may
 * read it in the graph.
 */
export function registerInvoices(app: FastifyInstance, routes: InvoiceRoutes): void {
  const { federation, authentication, printer, onBug } = routes;

  app.get("/invoices/:id/page", async (request, reply) => {
    const { bytes } = await print(request, reply, { kind: "page" });
    return reply
      .headers({ ...PRIVATE, "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'" })
      .type("text/html; charset=utf-8")
      .send(Buffer.from(bytes));
  });

  app.get("/invoices/:id/pdf", async (request, reply): Promise<FastifyReply> => {
    const size = PAPER_NAMES.find((name) => name === (memberOf(request.query, "paper") ?? "a4"));
    if (size === undefined) throw new MetrlyError("INVALID", `\`paper\` is one of ${PAPER_NAMES.join(", ")}`);
    const { number, bytes } = await print(request, reply, { kind: "pdf", size });
    return reply
      .headers({ ...PRIVATE, "content-disposition": `inline; filename="${number}.pdf"` })
      .type("application/pdf")
      .send(Buffer.from(bytes));
  });

  async function print(request: FastifyRequest, reply: FastifyReply, format: PrintFormat): Promise<Printed> {
    const signal = disconnectedSignal(request.raw, reply.raw);
    const { identity } = await authentication.authenticate(request.headers.authorization);
    const id = String(memberOf(request.params, "id"));
    const { data, errors } = await federation.execute({
      schema: federation.schema,
      document: INVOICE,
      variableValues: { id },
      contextValue: { identity, signal },
    });
    const [failed] = errors ?? [];
    if (failed !== undefined) throw errorOf(failed);
    const invoice = memberOf(data, "invoice");
    if (!isJsonObject(invoice)) throw noSuch("invoice", id);
    const { document, sha256, generatedAt } = invoice;
    const stored = { text: String(document), sha256: String(sha256), issuedAt: Date.parse(String(generatedAt)) };
    return printer.print({ invoice: stored, format, caller: callerOf(identity), signal });
  }

  function errorOf(failed: Parameters<typeof toClientError>[0]): MetrlyError {
    const { message, extensions } = toClientError(failed, onBug);
    const { code, ...rest } = extensions;
    return new MetrlyError(isErrorCode(code) ? code : "INTERNAL", message, rest);
  }
}

const memberOf = (value: unknown, name: string): unknown => (isJsonObject(value) ? value[name] : undefined);
