-- Which values of its dimensions a tenant's meter has seen in a billing period: one row per combination. How many they are is
-- limited, so that a dimension that holds request ids by mistake does not become millions of totals.
CREATE TABLE dimension_value (
  partition       INTEGER NOT NULL,
  tenant_id       TEXT NOT NULL,
  meter           TEXT NOT NULL,
  period_start_ms BIGINT NOT NULL,
  -- 16 bytes of SHA-256 over the values, in the order of the meter's dimensions.
  value           UUID NOT NULL,
  PRIMARY KEY (partition, tenant_id, meter, period_start_ms, value)
);
