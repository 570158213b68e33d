-- Offered to every tenant. Other versions are shown only to tenants that have or had them.
ALTER TABLE "plan_version" ADD COLUMN "public" BOOLEAN NOT NULL DEFAULT false;
