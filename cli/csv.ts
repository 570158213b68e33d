/** A text cell of CSV that starts like a formula must stay text in a spreadsheet; quantities and amounts are numbers. */
export const asText = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
