-- How far a tenant has used its allowance of sends that it asks for: tests and replays (generic cell rate algorithm).
CREATE TABLE "immediate_send" (
  "tenant_id"   TEXT NOT NULL,
  "kind"        TEXT NOT NULL,
  "spent_until" TIMESTAMPTZ(3) NOT NULL,
  CONSTRAINT "immediate_send_pkey" PRIMARY KEY ("tenant_id", "kind")
);
