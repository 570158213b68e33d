-- Of which unbilled usage operators were told. kind: 'unmetered' (subject: an event type; period_start: 0) or 'unpriced' (a meter).
CREATE TABLE "unbilled_notice" (
  "tenant_id"    TEXT NOT NULL,
  "kind"         TEXT NOT NULL,
  "subject"      TEXT NOT NULL,
  "period_start" BIGINT NOT NULL,
  CONSTRAINT "unbilled_notice_pkey" PRIMARY KEY ("tenant_id", "kind", "subject", "period_start")
);
