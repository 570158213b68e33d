/** What of pdfmake we use. Its published types need those of a browser. */
declare module "pdfmake" {
  type Margin = [left: number, top: number, right: number, bottom: number];
  interface Style {
    readonly font?: string;
    readonly fontSize?: number;
    readonly bold?: boolean;
    readonly color?: string;
    readonly lineHeight?: number;
    readonly alignment?: "left" | "right";
    readonly margin?: Margin;
    readonly width?: number | "auto" | "*";
    readonly colSpan?: number;
    readonly unbreakable?: boolean;
  }
  export interface Table {
    readonly headerRows?: number;
    readonly keepWithHeaderRows?: number;
    readonly dontBreakRows?: boolean;
    /** In points. What pdfmake also takes, `*` and `auto`, grows with a long word, off the paper. */
    readonly widths: number[];
    readonly body: TableCell[][];
  }
  /** Points of padding and rules. `index`: of the rule, from 0 above the first row. */
  export interface TableLayout {
    readonly hLineWidth: (index: number, node: { readonly table: Table }) => number;
    readonly hLineColor?: (index: number, node: { readonly table: Table }) => string;
    readonly vLineWidth: () => number;
    readonly paddingLeft: () => number;
    readonly paddingRight: () => number;
    readonly paddingTop: (index: number) => number;
    readonly paddingBottom: (index: number) => number;
  }
  export type Content =
    | string
    | (Style & { readonly text: string | Content[] })
    | (Style & { readonly stack: Content[] })
    | (Style & { readonly columns: Content[]; readonly columnGap?: number })
    | (Style & { readonly table: Table; readonly layout: TableLayout });
  /** An empty object: covered by the cell that spans it. */
  export type TableCell = Content | Record<string, never>;
  export interface Definition {
    readonly pageSize: string;
    readonly pageMargins: Margin;
    readonly language: string;
    readonly info: Readonly<Record<string, string | Date>>;
    readonly defaultStyle: Style;
    readonly content: Content[];
    readonly footer: (page: number, pages: number) => Content;
  }
  interface Pdfmake {
    setFonts(fonts: Readonly<Record<string, { readonly normal: string; readonly bold: string }>>): void;
    setLocalAccessPolicy(allows: (file: string) => boolean): void;
    setUrlAccessPolicy(allows: (url: string) => boolean): void;
    createPdf(definition: Definition): { getBuffer(): Promise<Buffer> };
  }
  const pdfmake: Pdfmake;
  export default pdfmake;
}
