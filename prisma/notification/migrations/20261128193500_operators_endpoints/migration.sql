-- An operator's endpoint gets events of all tenants: a delivery says whose event it is. Empty: that of its endpoint's tenant.
ALTER TABLE "webhook_delivery" ADD COLUMN "event_tenant_id" TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX "webhook_delivery_once_per_event"
  ON "webhook_delivery" ("tenant_id", "endpoint_id", "event_tenant_id", "event_id");
DROP INDEX "webhook_delivery_tenant_id_endpoint_id_event_id_key";
