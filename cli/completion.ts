import type { Command } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** The completions after a command: its subcommands and its options. */
interface Completions {
  readonly words: string;
  readonly next: readonly { readonly text: string; readonly description: string }[];
}

function completionsOf(command: Command, words: readonly string[] = []): Completions[] {
  const commands = command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== "help");
  const next = [
    ...commands.map((one) => ({ text: one.name(), description: one.description() })),
    ...command.options.flatMap(({ long, description }) => (long ? [{ text: long, description }] : [])),
  ];
  return [{ words: words.join(" "), next }, ...commands.flatMap((one) => completionsOf(one, [...words, one.name()]))];
}

/** A script that completes the commands and options of `program`. */
export function completionScript(program: Command, shell: Shell): string {
  const all = completionsOf(program);
  switch (shell) {
    case "bash":
      return bashScript(all);
    case "zsh":
      return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(all)}`;
    case "fish":
      return fishScript(all);
  }
}

/** Options before the command are skipped: `metrly webhooks --json dead` is still `webhooks dead`. */
function bashScript(all: readonly Completions[]): string {
  const cases = all.map(
    ({ words, next }) => `    ${quoted(words)}) next=${quoted(next.map(({ text }) => text).join(" "))} ;;`,
  );
  const known = all.flatMap(({ words }) => (words === "" ? [] : [words]));
  return `_metrly() {
  local words="" next="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${words:+$words }$word" in
    ${known.map(quoted).join(" | ")}) words="\${words:+$words }$word" ;;
    esac
  done
  case "$words" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$next" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _metrly metrly
`;
}

function fishScript(all: readonly Completions[]): string {
  const lines = all.flatMap(({ words, next }) => {
    const deeper = next.filter(({ text }) => !text.startsWith("-")).map(({ text }) => text);
    const seen = words === "" ? [] : words.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
    const unseen = deeper.length === 0 ? [] : [`not __fish_seen_subcommand_from ${deeper.join(" ")}`];
    const when = [...seen, ...unseen].join("; and ");
    return next.map(({ text, description }) => {
      const what = text.startsWith("--") ? `-l ${text.slice(2)}` : `-f -a ${text}`;
      return `complete -c metrly${when === "" ? "" : ` -n ${quoted(when)}`} ${what} -d ${quoted(description)}`;
    });
  });
  return `${lines.join("\n")}\n`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
