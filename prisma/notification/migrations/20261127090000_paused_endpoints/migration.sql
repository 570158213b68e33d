-- A receiver that only fails is left alone for a while; what is due for it waits.
ALTER TABLE "webhook_endpoint"
  ADD COLUMN "failures_in_a_row" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "paused_until"      TIMESTAMPTZ(3);

-- What is due for one endpoint, the longest due first.
CREATE INDEX "webhook_delivery_due_for_endpoint" ON "webhook_delivery" ("tenant_id", "endpoint_id", "next_attempt_at")
  WHERE "next_attempt_at" IS NOT NULL;
