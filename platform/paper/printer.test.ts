import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { invoiceV2 } from "#schema/events/invoice.v2.js";
import type { Printed } from "./print.js";
import { printInProcess } from "./print-process.js";
import { createPrinter } from "./printer.js";

const PAGE = { kind: "page" } as const;
const PDF = { kind: "pdf", size: "a4" } as const;
const NEVER = new AbortController().signal;
const [line] = invoiceV2.example.lines;

function invoiceOf(lines: number) {
  const text = JSON.stringify({ ...invoiceV2.example, lines: Array.from({ length: lines }, () => line) });
  return { text, sha256: createHash("sha256").update(text).digest("hex"), issuedAt: 0 };
}
const SMALL = invoiceOf(1);
/** Its page is too large to be made at once. */
const LARGE = invoiceOf(400);

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A printer whose processes end when the test says so. What is printed is named, and belongs to the caller of its first letter. */
function openWorld() {
  const running = new Map<string, { end(): void; die(): void }>();
  const refused: string[] = [];
  const printer = createPrinter(({ sha256: name }) => {
    const printed = new Promise<Printed>((resolve, reject) => {
      running.set(name, {
        end: () => resolve({ number: name, bytes: Buffer.from("printed") }),
        die: () => reject(new Error("died")),
      });
    });
    return printed.finally(() => running.delete(name));
  });
  async function print(name: string, { mebibytes = 0.1, signal = new AbortController().signal } = {}): Promise<void> {
    const invoice = { text: "x".repeat(mebibytes * (1 << 20)), sha256: name, issuedAt: 0 };
    try {
      await printer.print({ invoice, format: PAGE, caller: name.slice(0, 1), signal });
    } catch (error) {
      refused.push(`${name} ${Object(error).code ?? Object(error).message}`);
    }
  }
  return { running, refused, print };
}

test("two are printed at once, one of each caller; the others wait, and a process that dies frees its turn", async () => {
  const { running, refused, print } = openWorld();
  for (const name of ["a1", "a2", "b1", "c1"]) void print(name);
  await settled();
  expect([...running.keys()]).toEqual(["a1", "b1"]);
  running.get("b1")?.die();
  await settled();
  expect([...running.keys()]).toEqual(["a1", "c1"]);
  running.get("a1")?.end();
  await settled();
  expect([...running.keys()]).toEqual(["c1", "a2"]);
  expect(refused).toEqual(["b1 died"]);
});

test("who waits is bounded: in number of a caller and of all, and in bytes", async () => {
  const { running, refused, print } = openWorld();
  for (const name of ["a1", "a2", "a3", "a4", "a5", "a6"]) void print(name);
  await settled();
  expect(refused).toEqual(["a6 BUSY"]);
  void print("b1");
  for (const caller of "cdefghijk") for (const n of "1234") void print(`${caller}${n}`);
  void print("l1");
  await settled();
  expect(refused.slice(1)).toEqual(["l1 BUSY"]);
  expect([...running.keys()]).toEqual(["a1", "b1"]);
  const large = openWorld();
  for (const name of ["a1", "a2", "a3", "a4"]) void large.print(name, { mebibytes: 3 });
  await settled();
  expect(large.refused).toEqual(["a4 BUSY"]);
});

test("a caller who disconnects gives up his place, which another gets", async () => {
  const { running, refused, print } = openWorld();
  const gone = new AbortController();
  for (const name of ["a1", "a2", "a3", "a4"]) void print(name);
  void print("a5", { signal: gone.signal });
  void print("b1");
  await settled();
  gone.abort(new Error("disconnected"));
  void print("a6");
  await settled();
  expect(refused).toEqual(["a5 disconnected"]);
  for (const name of ["a1", "a2", "a3", "a4"]) {
    running.get(name)?.end();
    await settled();
  }
  expect([...running.keys()]).toEqual(["b1", "a6"]);
});

test("a small page waits for nobody", async () => {
  const printer = createPrinter(() => new Promise(() => undefined));
  void printer.print({ invoice: LARGE, format: PAGE, caller: "a", signal: NEVER });
  const { bytes } = await printer.print({ invoice: SMALL, format: PAGE, caller: "a", signal: NEVER });
  expect(Buffer.from(bytes).toString()).toContain("Łódź Café 株式会社");
});

test("a PDF of more than 1 MiB is refused, with what to ask for instead", async () => {
  const asked = { invoice: invoiceOf(4_000), format: PDF, caller: "a", signal: NEVER };
  await expect(createPrinter().print(asked)).rejects.toMatchObject({
    code: "TOO_LARGE",
    message: expect.stringContaining("Print its page"),
  });
});

test("a process prints a large page; one that takes too much memory, too long or whose caller left ends with an error", async () => {
  const { number, bytes } = await printInProcess(LARGE, PAGE, NEVER);
  expect(number).toBe(invoiceV2.example.number);
  expect(
    Buffer.from(bytes)
      .toString()
      .match(/Recurring fee/g),
  ).toHaveLength(400);
  const limits = { deadlineMs: 600_000, memoryMb: 256 };
  const codes = await Promise.all(
    [
      printInProcess(LARGE, PDF, NEVER, { ...limits, memoryMb: 8 }),
      printInProcess(LARGE, PDF, NEVER, { ...limits, deadlineMs: 1 }),
      printInProcess(LARGE, PDF, AbortSignal.abort(), limits),
    ].map((printed) => printed.catch((error: { code?: unknown }) => error.code)),
  );
  expect(codes).toEqual(["TOO_LARGE", "UNAVAILABLE", "UNAVAILABLE"]);
});
