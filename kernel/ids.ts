/** A client-chosen id: 1..64 of letters, digits, `_`, `-`, `.`, starting with a letter or digit. */
const CLIENT_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

export const isClientId = (text: string): boolean => CLIENT_ID.test(text);
