export const INVOICE_FORMATS = ["json", "csv", "html"] as const;
export type InvoiceFormat = (typeof INVOICE_FORMATS)[number];
