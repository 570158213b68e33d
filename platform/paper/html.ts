/** A piece of markup: what `html` made. */
export interface Html {
  readonly html: string;
}

type Value = string | Html | readonly Html[];

/** Escapes all texts; inserts only its own markup unescaped. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return { html: String.raw({ raw: parts }, ...values.map(textOf)) };
}

function textOf(value: Value): string {
  if (typeof value === "string") return escaped(value);
  return [value]
    .flat()
    .map((piece) => piece.html)
    .join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
