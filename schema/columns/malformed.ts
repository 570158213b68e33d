/** A record of a known encoding that breaks its rules: no writer of that encoding made it. */
export class Malformed extends Error {
  override readonly name = "Malformed";
}
