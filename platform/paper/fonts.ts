import { createRequire } from "node:module";
import path from "node:path";
import { openSync } from "fontkit";

const require = createRequire(import.meta.url);
const fontFile = (main: string, name: string): string => path.join(path.dirname(main), "../fonts", name);
const latin = (name: string): string => fontFile(require.resolve("@embedpdf/fonts-latin"), name);
const japanese = (name: string): string => fontFile(require.resolve("@embedpdf/fonts-jp"), name);

/** The fonts of the PDF, by preference: a character is set in the first that has it. */
export const FONTS = {
  Latin: { normal: latin("NotoSans-Regular.ttf"), bold: latin("NotoSans-SemiBold.ttf") },
  Japanese: { normal: japanese("NotoSansJP-Regular.otf"), bold: japanese("NotoSansJP-Medium.otf") },
} as const;
export type FontName = keyof typeof FONTS;

export interface Run {
  readonly text: string;
  readonly font: FontName;
}

/** Stands for a character that no font has. */
const MISSING = "\u25a1";
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/gu;
/** Joiners, marks of direction, variation selectors: without a glyph, nothing is missing. */
const INVISIBLE = /\p{Cf}|\p{Variation_Selector}/gu;

/** Splits texts into runs of one font each; a character without a glyph becomes a box, and is counted. */
export function createTypesetter() {
  const missing = new Set<string>();
  const has = (font: FontName, character: string): boolean => coverage(font)(character.codePointAt(0) ?? 0);
  const place = (character: string): Run => {
    if (has("Latin", character)) return { text: character, font: "Latin" };
    if (has("Japanese", character)) return { text: character, font: "Japanese" };
    missing.add(character);
    return { text: MISSING, font: has("Latin", MISSING) ? "Latin" : "Japanese" };
  };
  return {
    runs(text: string): Run[] {
      const runs: Run[] = [];
      for (const character of text.normalize("NFC").replaceAll(UNPRINTABLE, " ").replaceAll(INVISIBLE, "")) {
        const { text: glyph, font } = place(character);
        const last = runs.at(-1);
        if (last?.font === font) runs[runs.length - 1] = { font, text: last.text + glyph };
        else runs.push({ font, text: glyph });
      }
      return runs;
    },
    /** Characters that no font has, so far. */
    missing: (): readonly string[] => [...missing],
  };
}

type Coverage = (codePoint: number) => boolean;
const opened = new Map<FontName, Coverage>();

/** A font's file is read when a text first needs it. */
function coverage(font: FontName): Coverage {
  const known = opened.get(font);
  if (known !== undefined) return known;
  const file = openSync(FONTS[font].normal);
  const covers: Coverage = (codePoint) => file.hasGlyphForCodePoint(codePoint);
  opened.set(font, covers);
  return covers;
}
