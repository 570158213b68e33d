/** Settings that are missing or invalid: `message` names them, for the user. Apart from the settings, which every command would load with it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}
