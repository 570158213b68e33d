/**
 * A new element. Strings among the children become text, never markup.
 * @param {string} tag `svg:rect` makes an SVG element
 * @param {Record<string, unknown>} properties attributes; `on…` listeners; those that are false or undefined are left out
 * @param {readonly (Node | string | undefined)[]} children
 */
export function element(tag, properties = {}, children = []) {
  const [space, name] = tag.includes(":") ? tag.split(":") : ["html", tag];
  const made =
    space === "svg" ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === false || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** In characters. */
const SHORT_FIGURE = 14;

/**
 * A table of texts or elements; its last column is a figure, which is broken only if it is a long one.
 * @param {Record<string, "fixed" | "">} columns by their heads; `fixed` ones keep each text on one line, the others give way
 * @param {readonly (string | Node)[][]} rows
 */
export function tableOf(columns, rows) {
  const heads = Object.entries(columns);
  const head = heads.map(([text]) => element("th", { scope: "col" }, [text]));
  const isFixed = (text, at) =>
    heads[at][1] === "fixed" || (at === heads.length - 1 && String(text).length <= SHORT_FIGURE);
  const cell = (text, at) => element("td", { class: isFixed(text, at) && "fixed" }, [text]);
  return element("table", {}, [
    element("thead", {}, [element("tr", {}, head)]),
    element(
      "tbody",
      {},
      rows.map((row) => element("tr", {}, row.map(cell))),
    ),
  ]);
}

export const byId = (id) => document.getElementById(id);
