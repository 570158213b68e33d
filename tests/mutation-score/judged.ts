// biome-ignore-all lint/suspicious/noTemplateCurlyInString: lines of code
import type { JudgedSurvivor } from "./score.js";

/** Why no test can tell these mutants, each by its line and change, from the code. */
const judge = (file: string, why: string, ...mutants: readonly (readonly [string, string])[]): JudgedSurvivor[] =>
  mutants.map(([line, change]) => ({ file, line, change, why }));

/** Surviving mutants that no test can tell from the code. */
export const JUDGED: readonly JudgedSurvivor[] = [
  ...judge(
    "kernel/database-time.ts",
    "neither is a SQLSTATE",
    [
      'export const isUnreachable = (error: unknown): boolean => UNREACHABLE.test(sqlStateOf(error) ?? "");',
      '"" -> "Stryker was here!"',
    ],
    [
      'const isContended = (error: unknown): boolean => CONTENDED.test(sqlStateOf(error) ?? "");',
      '"" -> "Stryker was here!"',
    ],
  ),
  ...judge("kernel/exact-numbers.ts", "a name stands before each colon", [
    'let lastString = "";',
    '"" -> "Stryker was here!"',
  ]),
  ...judge(
    "kernel/exact-numbers.ts",
    "a member's name replaces it before its value",
    ['case "{":', 'case "{": path.push(""); break; -> case "{":'],
    ['path.push("");', '"" -> "Stryker was here!"'],
    ['if (typeof index === "number") path[path.length - 1] = index + 1;', 'typeof index === "number" -> true'],
  ),
  ...judge("kernel/exact-numbers.ts", "a string begins and ends with a quote", [
    "if (token.startsWith('\"')) lastString = token;",
    "token.startsWith('\"') -> token.endsWith('\"')",
  ]),
  ...judge(
    "kernel/exact-numbers.ts",
    "only faster: what it lets pass less often is compared exactly",
    ["if (PLAIN.test(token)) return true;", "PLAIN.test(token) -> false"],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.](?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[^\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\D.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\D{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d)?(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\D{1,14})?(?:[eE][+-]?\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]\\d{1,2})?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d)?$/",
    ],
    [
      "const PLAIN = /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/;",
      "/^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\d{1,2})?$/ -> /^-?(?=[\\d.]{1,16}(?:[eE]|$))\\d{1,15}(?:\\.\\d{1,14})?(?:[eE][+-]?\\D{1,2})?$/",
    ],
  ),
  ...judge(
    "kernel/exact-numbers.ts",
    "only faster: JSON.parse reads the same name",
    ['if (!quoted.includes("\\\\")) return quoted.slice(1, -1);', '!quoted.includes("\\\\") -> false'],
    ['if (!quoted.includes("\\\\")) return quoted.slice(1, -1);', '"\\\\" -> ""'],
  ),
  ...judge(
    "kernel/partition.ts",
    "beyond the end a byte is 0, and `h ^= 0` changes nothing",
    ["if (rest >= 3) h ^= byte(bytes, whole + 2) << 16;", "rest >= 3 -> true"],
    ["if (rest >= 2) h ^= byte(bytes, whole + 1) << 8;", "rest >= 2 -> true"],
  ),
  ...judge(
    "kernel/rfc3339.ts",
    "only faster: the date says the same",
    ["return day <= 28 || new Date(Date.UTC(year, month - 1, day)).getUTCMonth() === month - 1;", "day <= 28 -> false"],
    [
      "return day <= 28 || new Date(Date.UTC(year, month - 1, day)).getUTCMonth() === month - 1;",
      "day <= 28 -> day < 28",
    ],
  ),
  ...judge("kernel/storable-text.ts", "a scalar has no entries", [
    'if (typeof value !== "object" || value === null) return false;',
    'typeof value !== "object" -> false',
  ]),
  ...judge("workers/quota/rules/amount.ts", "only faster: what follows gives the same for whole numbers", [
    "if (Number.isSafeInteger(number)) return BigInt(number) * UNIT;",
    "Number.isSafeInteger(number) -> false",
  ]),
  ...judge(
    "workers/quota/rules/amount.ts",
    "only faster: what follows gives the same for whole units",
    ["if (amount % UNIT === 0n) return String(amount / UNIT);", "amount % UNIT === 0n -> false"],
    ["if (amount % UNIT === 0n) return String(amount / UNIT);", "amount % UNIT -> amount * UNIT"],
  ),
  ...judge(
    "workers/quota/rules/amount.ts",
    "zero has returned before",
    ['const digits = String(amount < 0n ? -amount : amount).padStart(DIGITS + 1, "0");', "amount < 0n -> amount <= 0n"],
    [
      'return formatDecimal(new Decimal(`${amount < 0n ? "-" : ""}${whole}.${fraction}`));',
      "amount < 0n -> amount <= 0n",
    ],
  ),
  ...judge("workers/quota/rules/amount.ts", "zero is whole", [
    "return amount < 0n && amount % UNIT !== 0n ? whole - 1n : whole;",
    "amount < 0n -> amount <= 0n",
  ]),
  ...judge("workers/quota/rules/decision.ts", "zero is left either way", [
    "remaining: left < 0n || (isBlocked && isHard) ? 0n : left,",
    "left < 0n -> left <= 0n",
  ]),
  ...judge("workers/quota/rules/decision.ts", "nothing taken reaches no other limit", [
    'if (taken >= units.most && !(units.most === 0n && taken === 0n)) return "EXCEEDED";',
    "units.most === 0n -> true",
  ]),
  ...judge("workers/quota/rules/decision.ts", "each that is asked has a limit, which the type does not say", [
    "const denying = asked.filter((_, index) => limits[index]?.denies);",
    "limits[index]?.denies -> limits[index].denies",
  ]),
  ...judge("workers/quota/rules/decision.ts", "zero either way", [
    "charged > limit.units.most - (used < 0n ? used : 0n);",
    "used < 0n -> used <= 0n",
  ]),
  ...judge("workers/quota/rules/limits.ts", "a text is the override of no limit", [
    '{ quotaOverrides = [] }: Pick<TenantState, "quotaOverrides">,',
    '[] -> ["Stryker was here"]',
  ]),
  ...judge("workers/quota/rules/usage.ts", "a text is no backfill: it stands nowhere in the log", [
    "backfills: readonly Backfill[] = [],",
    '[] -> ["Stryker was here"]',
  ]),
  ...judge("workers/quota/rules/usage.ts", "no backfill stands between an event and itself", [
    "sign === 1 ? metersAtRecording(event, metersOfType) : countingMeters(event, entry.seq, metersOfType, backfills);",
    "sign === 1 -> false",
  ]),
];
