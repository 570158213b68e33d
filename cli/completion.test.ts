import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Command } from "commander";
import { expect, test } from "vitest";
import { completionScript } from "./completion.js";

const run = promisify(execFile);

const program = new Command("metrly");
const webhooks = program.command("webhooks").description("the tenant's deliveries");
webhooks
  .command("dead")
  .description("what isn't delivered")
  .option("--json", "as JSON")
  .option("--tenant <id>", "whose");
webhooks.command("replay");
program.command("rebuild").option("--check", "only compare");
program.command("earlier", { hidden: true });

/** What bash offers after these words, the last of which is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const line = ["metrly", ...words].map((word) => `'${word}'`).join(" ");
  const script = `${completionScript(program, "bash")}
    COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _metrly; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run("bash", ["-c", script]);
  return stdout
    .trim()
    .split("\n")
    .filter((word) => word !== "");
}

test("bash completes commands, their commands and their options", async () => {
  expect(await offered("")).toEqual(["webhooks", "rebuild"]);
  expect(await offered("we")).toEqual(["webhooks"]);
  expect(await offered("webhooks", "")).toEqual(["dead", "replay"]);
  expect(await offered("webhooks", "dead", "--")).toEqual(["--json", "--tenant"]);
  expect(await offered("webhooks", "dead", "--json", "--t")).toEqual(["--tenant"]);
  expect(await offered("rebuild", "--c")).toEqual(["--check"]);
  expect(await offered("unknown", "x")).toEqual([]);
});

test("zsh takes bash's, fish its own with descriptions, quoted", () => {
  expect(completionScript(program, "zsh")).toContain("bashcompinit");
  const fish = completionScript(program, "fish").split("\n");
  expect(fish).toContain(
    "complete -c metrly -n 'not __fish_seen_subcommand_from webhooks rebuild' -f -a webhooks -d 'the tenant'\\''s deliveries'",
  );
  expect(fish).toContain(
    "complete -c metrly -n '__fish_seen_subcommand_from webhooks; and __fish_seen_subcommand_from dead' -l json -d 'as JSON'",
  );
});
