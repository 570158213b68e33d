import { Argument } from "commander";
import { SERVICES } from "#platform/process/services.js";
import type { ProcessRole } from "../server/role-config.js";
import type { MetrlyCommand } from "./command.js";

const ROLES = ["all", "gateway", ...SERVICES] as const;

/** The system itself, whole or a role of it. Returns the roles' earlier commands, of which one has a command of its own. */
export function addServe(program: MetrlyCommand): (role: ProcessRole) => MetrlyCommand {
  program
    .command("serve")
    .description("run the system, or one role of it (settings: METRLY_* variables, see .env.example)")
    .addArgument(new Argument("[role]", "the role").choices(ROLES).default("all"))
    .action(run);
  const earlier = ROLES.map((role) =>
    program
      .earlier(role)
      .description(`metrly serve ${role}`)
      .action(() => run(role)),
  );
  return (role) => earlier[ROLES.indexOf(role)] ?? program;
}

async function run(role: ProcessRole): Promise<void> {
  const { runProcess } = await import("../server/run.js");
  await runProcess(role, process.env);
}
