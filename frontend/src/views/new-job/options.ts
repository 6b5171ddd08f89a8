import type { Submission } from "../../api/types";
import { type Draft, type Field, type FieldErrors, fieldsOf, payloadOf } from "../../jobs/payload-form";

/** What may be said with any submission; the limits are those of the API. */
export const OPTION_FIELDS: Field[] = fieldsOf({
  properties: {
    delay: {
      type: "number",
      title: "Delay, seconds",
      description: "Start no sooner than this from now.",
      minimum: 0,
      maximum: 366 * 86_400,
    },
    max_attempts: {
      type: "integer",
      title: "Attempts at most",
      description: "How often it is tried before it is given up.",
      minimum: 1,
      maximum: 100,
    },
    timeout: {
      type: "number",
      title: "Timeout, seconds",
      description: "How long one attempt may take.",
      minimum: 0.1,
      maximum: 86_400,
    },
    priority: {
      type: "string",
      enum: ["normal", "low"],
      title: "Priority",
      description: "Low: it starts when no other job waits.",
    },
    expires_in: {
      type: "number",
      title: "Expires in, seconds",
      description: "If nobody has started it by then, it fails instead of being late.",
      minimum: 0,
      maximum: 366 * 86_400,
    },
    unique_key: {
      type: "string",
      title: "Unique key",
      description: "While a job with this key is live, it is the answer, and no other is made.",
      maxLength: 200,
    },
    tags: {
      type: "array",
      items: { type: "string" },
      title: "Tags",
      description: "One a line, to find the job by later.",
      maxItems: 16,
    },
  },
});

export function optionsOf(draft: Draft): { options: Omit<Submission, "task" | "payload">; errors: FieldErrors } {
  const { payload, errors } = payloadOf(OPTION_FIELDS, draft);
  return { options: payload as Omit<Submission, "task" | "payload">, errors };
}
