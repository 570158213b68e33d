-- What each line was invoiced for, as its document has it: a later adjustment starts from the sum. The documents stay as they are.
ALTER TABLE invoice_line ADD COLUMN quantity NUMERIC;
ALTER TABLE invoice_line DISABLE TRIGGER invoice_line_is_immutable;
UPDATE invoice_line l SET quantity = (i.document::jsonb -> 'lines' -> (l.position - 1) ->> 'quantity')::numeric
  FROM invoice i WHERE i.tenant_id = l.tenant_id AND i.ordinal = l.invoice_ordinal;
ALTER TABLE invoice_line ENABLE TRIGGER invoice_line_is_immutable;
ALTER TABLE invoice_line ALTER COLUMN quantity SET NOT NULL;
