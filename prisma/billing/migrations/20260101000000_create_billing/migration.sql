-- Instants are epoch milliseconds (BIGINT) throughout; hours and periods are UTC.

CREATE TABLE high_water_mark (
  partition   INTEGER PRIMARY KEY,
  seq         BIGINT NOT NULL,
  next_offset BIGINT NOT NULL
);

CREATE TABLE outbox (
  id         BIGSERIAL PRIMARY KEY,
  topic      TEXT NOT NULL,
  partition  INTEGER NOT NULL,
  key        TEXT NOT NULL,
  value      TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Append-only. A delta covers entries between two control records, so it lies wholly at or below any watermark.
CREATE TABLE usage_delta (
  tenant_id     TEXT NOT NULL,
  seq           BIGINT NOT NULL,  -- last entry folded into it
  id            BIGSERIAL NOT NULL,
  meter         TEXT NOT NULL,
  hour          BIGINT NOT NULL,  -- of the event's time
  dimensions    TEXT NOT NULL,    -- JSON array of values in the meter's order
  value         TEXT NOT NULL,    -- '' for COUNT and SUM; what is counted for MAX, UNIQUE, LATEST
  quantity      NUMERIC NOT NULL,
  event_count   BIGINT NOT NULL,  -- negative where voids outweigh
  last_event_at BIGINT NOT NULL,
  recorded_hour BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, seq, id)
);
CREATE INDEX usage_delta_by_hour ON usage_delta (tenant_id, hour, meter);

CREATE TABLE usage_count (
  tenant_id TEXT NOT NULL,
  hour      BIGINT NOT NULL,  -- of receivedAt
  counted   BIGINT NOT NULL,
  unmetered BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, hour)
);

CREATE TABLE unmetered_type (
  tenant_id   TEXT NOT NULL,
  event_type  TEXT NOT NULL,
  event_count BIGINT NOT NULL,
  last_at     BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, event_type)
);

-- A period has a row from the entry that ended it; OPEN and GRACE are derived from the calendar.
CREATE TABLE billing_period (
  tenant_id       TEXT NOT NULL,
  start_at        BIGINT NOT NULL,
  end_at          BIGINT NOT NULL,
  partition       INTEGER NOT NULL,
  status          TEXT NOT NULL CHECK (status IN ('CLOSING', 'CLOSED')),
  watermark       BIGINT NOT NULL,
  tenancy_version BIGINT NOT NULL,  -- of the watermark's entry: decides the plan
  plan_id         TEXT,
  plan_version    INTEGER,
  closing_since   BIGINT NOT NULL,
  closed_at       BIGINT,
  invoice_ordinal INTEGER,
  PRIMARY KEY (tenant_id, start_at)
);
CREATE INDEX billing_period_closing ON billing_period (closing_since) WHERE status = 'CLOSING';
CREATE INDEX billing_period_by_partition ON billing_period (partition, tenant_id, end_at);

CREATE TABLE invoice (
  tenant_id    TEXT NOT NULL,
  ordinal      INTEGER NOT NULL,  -- 1, 2, 3 ... per tenant without gaps
  period_start BIGINT NOT NULL,
  currency     TEXT NOT NULL,
  total        NUMERIC NOT NULL,
  sha256       TEXT NOT NULL,
  document     TEXT NOT NULL,     -- RFC 8785: the invoice; the other columns only help to find it
  generated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, ordinal),
  UNIQUE (tenant_id, period_start)
);

-- What was invoiced per line of a period: an adjustment is the full line less the sum of these.
CREATE TABLE invoice_line (
  tenant_id       TEXT NOT NULL,
  invoice_ordinal INTEGER NOT NULL,
  position        INTEGER NOT NULL,
  for_period      BIGINT NOT NULL,
  for_kind        TEXT NOT NULL,
  for_price       INTEGER NOT NULL,  -- position of the price in its plan version; -1: none
  amount          NUMERIC NOT NULL,
  PRIMARY KEY (tenant_id, invoice_ordinal, position),
  FOREIGN KEY (tenant_id, invoice_ordinal) REFERENCES invoice (tenant_id, ordinal)
);
CREATE INDEX invoice_line_by_period ON invoice_line (tenant_id, for_period);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'closed for good: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER invoice_is_immutable BEFORE UPDATE OR DELETE ON invoice FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER invoice_is_kept BEFORE TRUNCATE ON invoice FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER invoice_line_is_immutable BEFORE UPDATE OR DELETE ON invoice_line FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER invoice_line_is_kept BEFORE TRUNCATE ON invoice_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER closed_period_is_immutable BEFORE UPDATE OR DELETE ON billing_period FOR EACH ROW
  WHEN (OLD.status = 'CLOSED') EXECUTE FUNCTION refuse_change();
CREATE TRIGGER billing_period_is_kept BEFORE TRUNCATE ON billing_period FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
