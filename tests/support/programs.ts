import { spawnSync } from "node:child_process";

/** Whether a program is in PATH. Tests that need one say so with `test.skipIf(!hasProgram("go"))`. */
export const hasProgram = (name: string): boolean => succeeds("sh", "-c", `command -v ${name}`);

/** Whether Python 3 is here, with this module. */
export const hasPython = (module: string): boolean => succeeds("python3", "-c", `import ${module}`);

const succeeds = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;
