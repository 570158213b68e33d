/** Hostile inputs, in the spirit of public corpora for JSON parsers, text fields and signed tokens; each stands for a kind. */

const repeated = (text: string, count: number): string => text.repeat(count);

/** Texts that some layer between a client and a table takes for something else, or cannot store. */
export const STRINGS: readonly string[] = [
  ...[
    "",
    " ",
    "\u0000",
    "a\u0000b",
    "\ud800",
    "\udfff\ud800",
    "\ufeff",
    "\u202e\u2066",
    "\u0085\u2028",
    "\r\nx-evil: 1",
  ],
  ...["__proto__", "constructor", "toString", "hasOwnProperty", "prototype", "valueOf", "then", "length"],
  ...["null", "undefined", "NaN", "true", "-0", "1e999", "0x10", "1_000", "１２３", "٣", "Infinity"],
  ...["'; DROP TABLE tenant;--", "\\", "%", "_", "%00", "%s%n", "{{7*7}}", "<script>", "../../etc/passwd"],
  ...["://", "http://[::1", "//", "?", "#", "*", "a:b", "a:b:c", "a\nb", "\t", "🦄", "👩‍👩‍👧‍👦", "é", "e\u0301", "ﷺ"],
  ...["attacker", "neighbour", "plan", "calls", "units", "metrly.tick", "9223372036854775808", "-1"],
  ...[repeated("a", 257), repeated("💥", 64), repeated("💥", 65), repeated("a", 20_000), repeated("%41", 100)],
];

/** Numbers at the edges of what doubles, 32-bit, 64-bit integers and decimals hold. */
export const NUMBERS: readonly number[] = [
  ...[
    0,
    -0,
    1,
    -1,
    200,
    201,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31) - 1,
    2 ** 53,
    2 ** 63,
    1e21,
    1e-7,
    0.1,
    1.5,
    1e308,
    5e-324,
  ],
];

export const DECIMALS: readonly string[] = [
  ...[
    "0",
    "-0",
    "1",
    "-1",
    "1.",
    ".5",
    "+1",
    "1e3",
    "1E400",
    "0.0000000000001",
    "999999999999999999",
    "1000000000000000000",
  ],
  ...[
    "0.000000000001",
    "NaN",
    "Infinity",
    "",
    " 1",
    "1 ",
    "0x1",
    "1,5",
    "٣",
    repeated("9", 400),
    `0.${repeated("1", 400)}`,
  ],
];

export const TIMES: readonly string[] = [
  ...[
    "2026-11-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "0000-01-01T00:00:00Z",
  ],
  ...[
    "10000-01-01T00:00:00Z",
    "+275760-09-13T00:00:00Z",
    "-000001-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-11-01T24:00:00Z",
  ],
  ...[
    "2026-11-01T23:59:60Z",
    "2026-11-01",
    "2026-11-01t00:00:00z",
    "2026-11-01T00:00:00+99:99",
    "2026-11-01T00:00:00+14:00",
  ],
  ...[
    "2026-11-01T00:00:00.0000000000000001Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "now",
    "0",
    "",
    "\u0000",
  ],
];

const NESTING = 100_000;

/** Bodies that a JSON parser must refuse. */
export const NO_JSON: readonly string[] = [
  ...[
    "",
    " ",
    "{",
    "[",
    "]",
    "[1,]",
    "[,1]",
    '{"a":1,}',
    "{a:1}",
    "{'a':1}",
    '{"a" 1}',
    '{"a"::1}',
    "[1 2]",
    "[1]x",
    "[01]",
  ],
  ...[
    "[+1]",
    "[-]",
    "[1.]",
    "[.1]",
    "[1e]",
    "[0x1]",
    "[NaN]",
    "[Infinity]",
    "[nul]",
    "[True]",
    '["\\x00"]',
    '["\\u12"]',
    '["a',
  ],
  ...[
    '["\t"]',
    '["\n"]',
    '["\u0000"]',
    "/* */[]",
    "[]//",
    "#[]",
    "\ufeff[]",
    "[\u00a01]",
    "\u2028[]",
    "<xml/>",
    '{"a":1}{"a":2}',
  ],
  ...[repeated("[", NESTING), repeated('{"a":', NESTING), `${repeated("[", NESTING)}]`, `[${repeated("1,", NESTING)}`],
];

/** Bodies that are JSON, of shapes that programs stumble over. */
export const ODD_JSON: readonly string[] = [
  ...[
    "null",
    "true",
    "0",
    "-0",
    '""',
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "[null]",
    "1e400",
    "-1e400",
    "1E-400",
    '"\\ud800"',
    '"\\u0000"',
  ],
  ...[
    '{"__proto__":{"a":1}}',
    '{"constructor":{"prototype":{"a":1}}}',
    '{"toString":1}',
    '{"a":1,"a":2}',
    '{"":1}',
    '{"\\u0000":1}',
  ],
  ...["123456789012345678901234567890", "0.1234567890123456789", `[${repeated("[", 60)}${repeated("]", 60)}]`],
  ...[repeated("[", NESTING) + repeated("]", NESTING), `${repeated('{"a":', NESTING)}1${repeated("}", NESTING)}`],
  ...[
    `[${repeated("{},", 1_000)}{}]`,
    `{"a":"${repeated("\\u0041", 30_000)}"}`,
    `[${repeated("0.30000000000000004,", 5_000)}1]`,
  ],
];

/** Bytes that are not UTF-8. */
export const NO_UTF8: readonly Buffer[] = [
  "5b22ff225d",
  "5b22c080225d",
  "5b22eda080225d",
  "5b22f4908080225d",
  "fffe5b005d00",
  "225cc3",
].map((hex) => Buffer.from(hex, "hex"));
