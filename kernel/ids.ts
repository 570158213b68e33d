declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TenantId = Branded<"TenantId">;
export type PlanId = Branded<"PlanId">;
export type MeterKey = Branded<"MeterKey">;
export type ApiKeyId = Branded<"ApiKeyId">;

/** A client-chosen id: 1..64 of letters, digits, `_`, `-`, `.`, starting with a letter or digit. */
const CLIENT_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

export const isClientId = (text: string): boolean => CLIENT_ID.test(text);
export const tenantId = (text: string): TenantId => branded(text);
export const planId = (text: string): PlanId => branded(text);
export const meterKey = (text: string): MeterKey => branded(text);
export const apiKeyId = (text: string): ApiKeyId => branded(text);

function branded<Name extends string>(text: string): Branded<Name> {
  if (!CLIENT_ID.test(text)) throw new RangeError(`not a valid id: ${JSON.stringify(text.slice(0, 80))}`);
  return text as Branded<Name>;
}
