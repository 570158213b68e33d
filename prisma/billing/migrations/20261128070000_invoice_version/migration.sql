-- Version of the document of the period's invoice, as the entry that ended the period says.
ALTER TABLE billing_period ADD COLUMN invoice_version INT NOT NULL DEFAULT 1;
