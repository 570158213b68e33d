-- Prepaid credits, folded with the ledger (docs/decisions/0024). Everything here is derived from it.
CREATE TABLE credit_grant (
  tenant_id     TEXT NOT NULL,
  grant_id      TEXT NOT NULL,
  seq           BIGINT NOT NULL,
  amount        NUMERIC NOT NULL,
  currency      TEXT NOT NULL,
  priority      INTEGER NOT NULL,
  expires_at    BIGINT,
  granted_at    BIGINT NOT NULL,  -- by the tenant's own clock, as voided_at
  recorded_at   BIGINT NOT NULL,
  reason        TEXT NOT NULL,
  actor         TEXT NOT NULL,
  drawn         NUMERIC NOT NULL,
  void_seq      BIGINT,
  voided_at     BIGINT,
  void_recorded_at BIGINT,
  void_reason   TEXT,
  void_actor    TEXT,
  PRIMARY KEY (tenant_id, grant_id),
  CONSTRAINT credit_grant_drawn_check CHECK (drawn >= 0 AND drawn <= amount)
);
CREATE UNIQUE INDEX credit_grant_by_seq ON credit_grant (tenant_id, seq);
-- What something can be drawn from.
CREATE INDEX credit_grant_open ON credit_grant (tenant_id) WHERE drawn < amount AND void_seq IS NULL;

-- The tenants with a grant. opened_until: start of the first period that has not begun yet.
CREATE TABLE credit_tenant (
  tenant_id    TEXT PRIMARY KEY,
  partition    INTEGER NOT NULL,
  opened_until BIGINT NOT NULL
);
CREATE INDEX credit_tenant_by_partition ON credit_tenant (partition);

-- rated: the sum of the period's rounded usage lines; uncovered: what of it no grant covered.
CREATE TABLE credit_period (
  tenant_id    TEXT NOT NULL,
  period_start BIGINT NOT NULL,
  plan_id      TEXT,
  plan_version INTEGER,
  rated        NUMERIC NOT NULL,
  uncovered    NUMERIC NOT NULL,
  PRIMARY KEY (tenant_id, period_start)
);

-- What a period draws from a grant now. place: the grant drawn last has the highest.
CREATE TABLE credit_held (
  tenant_id    TEXT NOT NULL,
  period_start BIGINT NOT NULL,
  grant_id     TEXT NOT NULL,
  place        INTEGER NOT NULL,
  amount       NUMERIC NOT NULL,
  PRIMARY KEY (tenant_id, period_start, grant_id)
);

-- The same as it came about, by the tenant's earliest open period and the hour of recording.
CREATE TABLE credit_draw (
  tenant_id     TEXT NOT NULL,
  period_start  BIGINT NOT NULL,
  grant_id      TEXT NOT NULL,
  open_period   BIGINT NOT NULL,
  recorded_hour BIGINT NOT NULL,
  amount        NUMERIC NOT NULL,
  PRIMARY KEY (tenant_id, period_start, grant_id, open_period, recorded_hour)
);

CREATE INDEX credit_draw_by_grant ON credit_draw (tenant_id, grant_id, recorded_hour);

-- The prices of a period's plan with usage.
CREATE TABLE credit_price (
  tenant_id    TEXT NOT NULL,
  period_start BIGINT NOT NULL,
  price        INTEGER NOT NULL,
  quantity     NUMERIC NOT NULL,
  amount       NUMERIC NOT NULL,
  PRIMARY KEY (tenant_id, period_start, price)
);

-- Of a MAX, UNIQUE or LATEST meter: the values that a price claims, with their numbers of events. rank: the top value's is the highest.
CREATE TABLE credit_value (
  tenant_id    TEXT NOT NULL,
  period_start BIGINT NOT NULL,
  price        INTEGER NOT NULL,
  value        TEXT NOT NULL,
  events       BIGINT NOT NULL,
  rank         NUMERIC,
  PRIMARY KEY (tenant_id, period_start, price, value)
);
CREATE INDEX credit_value_by_rank ON credit_value (tenant_id, period_start, price, rank DESC) WHERE rank IS NOT NULL;

-- A line of credits is identified by its grant, too.
ALTER TABLE invoice_line ADD COLUMN for_grant TEXT NOT NULL DEFAULT '';
