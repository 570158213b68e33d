import { createHash } from "node:crypto";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { GraphQLError, GraphQLSchema } from "graphql";
import { pino } from "pino";
import { afterAll, expect, test } from "vitest";
import { MetrlyError } from "#kernel/errors.js";
import { createHttpServer } from "#platform/http/server.js";
import { createPrinter } from "#platform/paper/printer.js";
import { invoiceV2 } from "#schema/events/invoice.v2.js";
import type { Identity } from "#schema/policy.js";
import { registerInvoices } from "./invoices.js";

const ACME: Identity = { kind: "USER", id: "u", tenantId: "acme", roles: ["TENANT_VIEWER"], scopes: [] };
const document = JSON.stringify(invoiceV2.example);
/** Too large to be printed in this process. */
const [line] = invoiceV2.example.lines;
const long = JSON.stringify({ ...invoiceV2.example, lines: Array.from({ length: 400 }, () => line) });
const sha256Of = (stored: string) => createHash("sha256").update(stored).digest("hex");

/** A graph with two invoices, which only its tenant sees. */
const federation = {
  schema: new GraphQLSchema({}),
  subscribe: () => Promise.reject(new Error("not used")),
  async execute({ variableValues, contextValue }: { variableValues?: unknown; contextValue?: unknown }) {
    const asked = JSON.stringify([variableValues, contextValue]);
    if (asked.includes("down"))
      return {
        errors: [new GraphQLError("billing does not answer", { extensions: { code: "SUBGRAPH_UNAVAILABLE" } })],
      };
    const stored = asked.includes("long") ? long : document;
    const sha256 = asked.includes("forged") ? "0".repeat(64) : sha256Of(stored);
    const isOwn = asked.includes('"tenantId":"acme"') && !asked.includes("other");
    return {
      data: { invoice: isOwn ? { document: stored, sha256, generatedAt: "2026-11-04T00:00:05.000Z" } : null },
    };
  },
};

type PrintLarge = NonNullable<Parameters<typeof createPrinter>[0]>;

function serve(printLarge?: PrintLarge) {
  const app = createHttpServer(pino({ level: "silent" }));
  registerInvoices(app, {
    federation,
    printer: createPrinter(printLarge),
    authentication: {
      async authenticate(authorization) {
        if (authorization === undefined) throw new MetrlyError("UNAUTHENTICATED", "Send a key");
        const identity = { ...ACME, tenantId: authorization };
        return { identity, assertValid: async () => undefined };
      },
    },
    onBug: () => undefined,
  });
  return app;
}
const app = serve();
afterAll(() => app.close());

const get = (url: string, authorization?: string) =>
  app.inject({ url, headers: { ...(authorization !== undefined && { authorization }) } });

test("an invoice is a page and a PDF for whoever may read it", async () => {
  const page = await get("/invoices/inv_acme_000001/page", "acme");
  expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
  expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
  expect(page.headers["cache-control"]).toBe("private, no-store");
  expect(page.body).toContain("Łódź Café 株式会社");
  const pdf = await get("/invoices/inv_acme_000001/pdf?paper=letter", "acme");
  expect(pdf.headers["content-type"]).toBe("application/pdf");
  expect(pdf.headers["content-disposition"]).toBe('inline; filename="ACME-000001.pdf"');
  expect(pdf.rawPayload.toString("latin1")).toMatch(/^%PDF-[\s\S]*MediaBox \[0 0 612/);
});

test("both are refused alike: without a key, another tenant's, a wrong size, a service that is down, a wrong hash", async () => {
  const codes = async (id: string, authorization?: string, query = "") => {
    const answers = await Promise.all(
      ["page", "pdf"].map((kind) => get(`/invoices/${id}/${kind}${query}`, authorization)),
    );
    return answers.map((answer) => answer.json<{ code: string }>().code);
  };
  expect(await codes("inv_acme_000001")).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED"]);
  expect(await codes("inv_acme_000001", "globex")).toEqual(["NOT_FOUND", "NOT_FOUND"]);
  expect(await codes("other", "acme")).toEqual(["NOT_FOUND", "NOT_FOUND"]);
  expect(await codes("down", "acme")).toEqual(["SUBGRAPH_UNAVAILABLE", "SUBGRAPH_UNAVAILABLE"]);
  expect(await codes("forged", "acme")).toEqual(["INTERNAL", "INTERNAL"]);
  expect((await get("/invoices/inv_acme_000001/pdf?paper=a0", "acme")).json()).toMatchObject({ code: "INVALID" });
});

/** Ends when the test says so. */
function heldPrinting() {
  const started: { readonly signal: AbortSignal; end(): void }[] = [];
  const printLarge: PrintLarge = (_, __, signal) =>
    new Promise((resolve) => {
      const end = () => resolve({ number: "ACME-000001", bytes: Buffer.from("<p>long</p>") });
      signal.addEventListener("abort", end);
      started.push({ signal, end });
    });
  return { started, printLarge };
}

test("a caller who disconnects frees his turn; one who only ends what he sends gets his page", async () => {
  const { started, printLarge } = heldPrinting();
  const busy = serve(printLarge);
  try {
    await busy.listen({ port: 0, host: "127.0.0.1" });
    const { port } = busy.server.address() as AddressInfo;
    const ask = () => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.write("GET /invoices/long/page HTTP/1.1\r\nhost: x\r\nauthorization: acme\r\n\r\n");
      return socket;
    };
    const disconnecting = ask();
    await expect.poll(() => started.length, { timeout: 30_000 }).toBe(1);
    const answered = text(ask().end());
    disconnecting.destroy();
    await expect.poll(() => started.length, { timeout: 30_000 }).toBe(2);
    expect(started.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    started[1]?.end();
    expect(await answered).toMatch(/^HTTP\/1\.1 102 [\s\S]*\nHTTP\/1\.1 200 [\s\S]*text\/html[\s\S]*<p>long<\/p>/);
  } finally {
    await busy.close();
  }
});
