import { PROFILES, type Profiles } from "#platform/database/profiles.js";

/** The product's limits of sessions at a fraction of their length, so that a test can exceed them. */
export function shortLimits(fraction: number): Profiles {
  const short = Object.entries(PROFILES).map(([profile, limits]) => [
    profile,
    Object.fromEntries(Object.entries(limits).map(([name, ms]) => [name, Math.ceil(ms * fraction)])),
  ]);
  return Object.fromEntries(short) as Profiles;
}
