/** Names of the job queues: billing's closes, notification's deliveries. */
export const CLOSE_QUEUE = "billing-close";
export const DELIVER_QUEUE = "notification-deliver";
export const QUEUES = [CLOSE_QUEUE, DELIVER_QUEUE] as const;
