import pdfmake, { type Content, type Definition, type Table, type TableCell, type TableLayout } from "pdfmake";
import { createTypesetter, FONTS } from "./fonts.js";
import type { PaperName } from "./sizes.js";
import type { PaperStep } from "./step-words.js";
import { type Paper, type PaperLine } from "./words.js";

const SIZES = { a4: "A4", letter: "LETTER" } as const satisfies Record<PaperName, string>;
const MARGIN = 48;
/** Between the margins, in points. */
const TEXT_WIDTH: Readonly<Record<PaperName, number>> = { a4: 595.28 - 2 * MARGIN, letter: 612 - 2 * MARGIN };

const GREY = "#5d6678";
const INK = "#1b1f29";
const RULE = "#d5d9e0";
/** A line with more steps is laid out as several rows, each of which fits on a page. */
const STEPS_PER_ROW = 30;

pdfmake.setFonts(FONTS);
const fontFiles = new Set<string>(Object.values(FONTS).flatMap(({ normal, bold }) => [normal, bold]));
pdfmake.setLocalAccessPolicy((file) => fontFiles.has(file));
pdfmake.setUrlAccessPolicy(() => false);

/** The same content as the page, as a PDF with embedded fonts. The same paper gives the same layout. */
export function invoicePdf(paper: Paper, size: PaperName): Promise<Buffer> {
  return pdfmake.createPdf(definition(paper, size)).getBuffer();
}

function definition(paper: Paper, size: PaperName): Definition {
  const type = createTypesetter();
  const ink = (text: string): { text: Content[] } => ({ text: type.runs(text) });
  const content = [
    head(paper, ink),
    parties(paper, ink),
    lines(paper, TEXT_WIDTH[size], ink),
    ...unpriced(paper, TEXT_WIDTH[size], ink),
    proof(paper, TEXT_WIDTH[size], ink),
    ...lacking(type.missing()),
  ];
  const number = ink(paper.number);
  return {
    pageSize: SIZES[size],
    pageMargins: [MARGIN, MARGIN, MARGIN, 60],
    language: "en",
    info: {
      title: `Invoice ${paper.number}`,
      ...(paper.seller !== null && { author: paper.seller.name }),
      creationDate: new Date(paper.issuedAt),
      producer: "Metrly",
      creator: "Metrly",
    },
    defaultStyle: { font: "Latin", fontSize: 9.5, lineHeight: 1.15, color: INK },
    content,
    footer: (page, pages) => ({
      margin: [MARGIN, 22, MARGIN, 0],
      fontSize: 7.5,
      color: GREY,
      columns: [{ text: ["Invoice ", ...number.text] }, { text: `Page ${page} of ${pages}`, alignment: "right" }],
    }),
  };
}

type Ink = (text: string) => { text: Content[] };

const head = ({ seller }: Paper, ink: Ink): Content => ({
  columns: [
    { text: "Invoice", fontSize: 24, bold: true, width: "*" },
    ...(seller === null ? [] : [{ stack: address(seller, ink), alignment: "right" as const, width: 260 }]),
  ],
  margin: [0, 0, 0, 26],
});

/** All widths are numbers: a long word would widen a column of the width `*`, and push its neighbours off the paper. */
const BUYER_WIDTH = 194;
const FACT_WIDTHS = [82, 206] as const;

const parties = ({ buyer, facts }: Paper, ink: Ink): Content => ({
  columns: [
    {
      stack: [
        { text: "BILLED TO", fontSize: 7.5, color: GREY, bold: true, margin: [0, 2, 0, 1] },
        ...address(buyer, ink),
      ],
      width: BUYER_WIDTH,
    },
    {
      layout: TIGHT,
      table: {
        widths: [...FACT_WIDTHS],
        body: facts.map(([label, value]) => [{ text: label, color: GREY }, ink(value)]),
      },
      width: FACT_WIDTHS[0] + FACT_WIDTHS[1],
    },
  ],
  columnGap: 16,
  margin: [0, 0, 0, 24],
});

const TIGHT: TableLayout = {
  hLineWidth: () => 0,
  vLineWidth: () => 0,
  paddingLeft: () => 0,
  paddingRight: () => 0,
  paddingTop: () => 0.5,
  paddingBottom: () => 0.5,
};

const address = ({ name, addressLines }: Paper["buyer"], ink: Ink): Content[] => [
  { ...ink(name), bold: true },
  ...addressLines.map(ink),
];

/** One row per line, never broken; the header row is repeated on each page. */
function lines(paper: Paper, textWidth: number, ink: Ink): Content {
  const widths = columnWidths(paper, textWidth);
  const right = (text: string) => ({ text, alignment: "right" as const });
  const header = [
    { text: "Description", ...HEADER },
    { ...right("Quantity"), ...HEADER },
    { text: "Unit", ...HEADER, ...AFTER_NUMBER },
    { ...right(`Amount (${paper.currency})`), ...HEADER },
  ];
  const rows = paper.lines.flatMap((line) => rowsOf(line, widths, ink));
  const total = `${paper.currency} ${paper.total}`;
  return {
    table: {
      headerRows: 1,
      dontBreakRows: true,
      widths: [...widths],
      body: [
        header,
        ...rows.map(whole),
        whole({
          columns: [
            { text: paper.totalLabel, width: "*" },
            { ...right(total), width: "auto" },
          ],
          fontSize: 13,
          bold: true,
          margin: [0, 6, 0, 0],
        }),
      ],
    },
    layout: ruled((index, { table }) => index === 1 || index === table.body.length - 1),
    margin: [0, 0, 0, 20],
  };
}

/** A thin rule between rows, a strong one where `isStrong`. */
const ruled = (isStrong: (index: number, node: { readonly table: Table }) => boolean): TableLayout => ({
  hLineWidth: (index, node) =>
    index === 0 || index === node.table.body.length ? 0 : isStrong(index, node) ? 1.2 : 0.5,
  hLineColor: (index, node) => (isStrong(index, node) ? INK : RULE),
  vLineWidth: () => 0,
  paddingLeft: () => 0,
  paddingRight: () => 0,
  paddingTop: (index) => (index === 0 ? 0 : 5),
  paddingBottom: (index) => (index === 0 ? 3 : 5),
});

const HEADER = { fontSize: 8, bold: true, color: GREY };
const whole = (content: Content): TableCell[] => [{ ...Object(content), colSpan: 4 }, {}, {}, {}];

function rowsOf(line: PaperLine, widths: Widths, ink: Ink): Content[] {
  const title: TableCell[] = [
    { stack: [{ ...ink(line.title), bold: true }, ...line.about.map((text) => ({ ...ink(text), ...SMALL }))] },
    { text: line.quantity, alignment: "right" },
    { ...ink(line.unit), ...AFTER_NUMBER },
    { text: line.amount, alignment: "right" },
  ];
  const steps = line.steps.map((step) => stepRow(step, ink));
  const first = nested([title, ...steps.slice(0, STEPS_PER_ROW)], widths);
  const rest = Array.from({ length: Math.ceil(steps.length / STEPS_PER_ROW) - 1 }, (_, n) =>
    nested(steps.slice((n + 1) * STEPS_PER_ROW, (n + 2) * STEPS_PER_ROW), widths),
  );
  return [first, ...rest];
}

const AFTER_NUMBER: { margin: [number, number, number, number] } = { margin: [6, 0, 0, 0] };
const SMALL = { fontSize: 8.5, color: GREY };
const stepRow = ({ words, quantity, amount }: PaperStep, ink: Ink): TableCell[] => [
  { ...ink(words), ...SMALL, margin: [10, 0, 0, 0] },
  { text: quantity, ...SMALL, alignment: "right" },
  "",
  { text: amount, ...SMALL, alignment: "right" },
];

const nested = (body: TableCell[][], widths: Widths): Content => ({
  table: { widths: [...widths], body },
  layout: TIGHT,
});

type Widths = readonly [description: number, quantity: number, unit: number, amount: number];

/** Numbers and units are as wide as their longest text, within bounds; descriptions get what is left. */
function columnWidths({ lines: all, currency }: Paper, textWidth: number): Widths {
  const width = (min: number, max: number, texts: readonly string[]): number =>
    Math.min(max, Math.max(min, ...texts.map((text) => text.length * POINTS_PER_CHARACTER)));
  const steps = all.flatMap((line) => line.steps);
  const others = [
    width(
      60,
      150,
      [...all, ...steps].map(({ quantity }) => quantity),
    ),
    width(
      36,
      90,
      all.map(({ unit }) => `${unit}  `),
    ),
    width(80, 150, [`Amount (${currency})`, ...[...all, ...steps].map(({ amount }) => amount)]),
  ] as const;
  return [textWidth - others[0] - others[1] - others[2], ...others];
}

const POINTS_PER_CHARACTER = 6;
function unpriced({ unpriced: usage }: Paper, textWidth: number, ink: Ink): Content[] {
  if (usage.length === 0) return [];
  const right = (text: string) => ({ text, alignment: "right" as const });
  const header = [
    { text: "Usage that no price of the plan claims, not charged", ...HEADER },
    { ...right("Events"), ...HEADER },
    { ...right("Quantity"), ...HEADER },
  ];
  const body = usage.map(({ title, events, quantity }) => [ink(title), right(events), right(quantity)]);
  const table: Table = {
    headerRows: 1,
    keepWithHeaderRows: 1,
    dontBreakRows: true,
    widths: [textWidth - 90 - 120, 90, 120],
    body: [header, ...body],
  };
  return [{ table, layout: ruled((index) => index === 1), fontSize: 8.5, margin: [0, 0, 0, 20] }];
}

const proof = (paper: Paper, textWidth: number, ink: Ink): Content => ({
  layout: TIGHT,
  unbreakable: true,
  fontSize: 7.5,
  color: GREY,
  table: { widths: [136, textWidth - 136], body: paper.proof.map(([label, value]) => [label, ink(value)]) },
});

/** Nothing vanishes silently. */
const lacking = (missing: readonly string[]): Content[] =>
  missing.length === 0
    ? []
    : [
        {
          text: "□ stands for a character that this PDF has no font for. The invoice's page and its document show all characters.",
          fontSize: 7.5,
          color: GREY,
          margin: [3, 6, 0, 0],
        },
      ];
