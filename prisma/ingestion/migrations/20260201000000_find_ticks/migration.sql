-- Ticks are most of what concerns every tenant, and a reader of one tenant's ledger wants few of them: their moment is in
-- `time_ms`, and this index alone tells which they are.
CREATE INDEX ledger_shared ON ledger (partition, seq) INCLUDE (kind, time_ms) WHERE tenant_id IS NULL;
