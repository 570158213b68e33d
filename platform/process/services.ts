/** The services, each with its own database and part of the graph. */
export const SERVICES = ["tenancy", "ingestion", "quota", "billing", "notification"] as const;
export type ServiceName = (typeof SERVICES)[number];
