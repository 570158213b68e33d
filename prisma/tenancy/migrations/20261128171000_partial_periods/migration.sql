-- What fees of partial periods depend on: when a tenant began, suspensions that pause billing, and the plan's choice.
ALTER TABLE "tenant" ADD COLUMN "began_at" TIMESTAMPTZ(3), ADD COLUMN "billing_pauses" JSONB NOT NULL DEFAULT '[]';
ALTER TABLE "plan_version" ADD COLUMN "recurring_fee_proration" TEXT NOT NULL DEFAULT 'NONE';
