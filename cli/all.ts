import closeWithGrace from "close-with-grace";
import { pino } from "pino";
import { type Config, parseConfig } from "#platform/config.js";
import { EmbeddedPostgresError } from "#platform/embedded-postgres.js";
import { Refusal, reportFailure } from "./failure.js";
import { type RunningSystem, startSystem } from "./system.js";

const DRAIN_MS = 10_000;

/** `metrly all`: the whole system in one process, until a signal or a failure ends it. */
export async function runAll(env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const config = parseConfig(env);
  const logger = pino({ level: config.logLevel, base: null }, pino.destination({ dest: 2, sync: true }));
  let system: RunningSystem | undefined;
  let failed = false;
  const grace = closeWithGrace({ delay: DRAIN_MS, logger: false }, async ({ err, signal }) => {
    if (err !== undefined) {
      failed = true;
      logger.fatal({ err }, "stopping after a failure");
    } else {
      logger.info({ signal }, "stopping");
    }
    await system?.stop();
    if (failed) process.exitCode = 1;
  });
  try {
    system = await startSystem({
      config,
      logger,
      fail(error) {
        failed = true;
        logger.fatal({ err: error }, "a failure that must not be passed over");
        grace.close();
      },
    });
    await announce(config, system, env);
  } catch (error) {
    grace.uninstall();
    await system?.stop();
    reportFailure(error instanceof EmbeddedPostgresError ? new Refusal(error.message) : error);
    process.exit(1);
  }
}

async function announce(
  config: Config,
  system: RunningSystem,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  if (!config.demo) {
    process.stdout.write(`Metrly is ready: ${system.url}\n`);
    return;
  }
  const { startDemo } = await import("./demo/demo.js");
  const demo = await startDemo({ url: system.url, config, logger: system.logger, env });
  system.beforeStop(() => demo.stop());
}
