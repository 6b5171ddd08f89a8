import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useMemo, useRef, useState } from "react";
import { ApiError, explain } from "../../api/client";
import { jobQuery, submitJob } from "../../api/queries";
import type { Job, Json, Submission, Task } from "../../api/types";
import { newerView } from "../../jobs/live-jobs";
import { draftOf, type FieldErrors, fieldsOf, payloadOf } from "../../jobs/payload-form";
import { Button } from "../../ui/controls";
import { Icon } from "../../ui/icons";
import { FieldInput } from "./field-input";
import { OPTION_FIELDS, optionsOf } from "./options";
import { Snippets } from "./snippets";

/** The form of one task's payload and options, beside the same submission as code. */
export function SubmissionForm({ task, model }: { task: Task; model: Job | undefined }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const form = useRef<HTMLFormElement>(null);
  const fields = useMemo(() => fieldsOf(task.payload_schema), [task]);
  const [draft, setDraft] = useState(() => draftOf(fields, model?.payload));
  const [options, setOptions] = useState(() => draftOf(OPTION_FIELDS, model?.tags.length ? { tags: model.tags } : {}));
  const [refused, setRefused] = useState<FieldErrors>({});
  const [trouble, setTrouble] = useState<string | null>(null);
  const [tried, setTried] = useState(false);
  const [sending, setSending] = useState(false);
  const sent = useRef({ body: "", key: "" });

  const payload = payloadOf(fields, draft);
  const chosen = optionsOf(options);
  const submission: Submission = { task: task.name, payload: payload.payload, ...chosen.options };
  const own = prefixed(payload.errors, "/payload", chosen.errors);
  const errors = { ...(tried ? own : {}), ...refused };

  const change = (pointer: string, put: () => void) => {
    put();
    setTrouble(null);
    setRefused(({ [pointer]: _gone, ...rest }) => rest);
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    setRefused({});
    setTrouble(null);
    if (Object.keys(own).length) {
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    setSending(true);
    try {
      // The same submission sent again, after an answer that was lost, must stay one job.
      const body = JSON.stringify(submission);
      if (sent.current.body !== body) sent.current = { body, key: randomKey() };
      const job = await submitJob(submission, sent.current.key);
      sent.current = { body: "", key: "" };
      queries.setQueryData(jobQuery(job.id).queryKey, (known) => newerView(known, job));
      await navigate({ to: "/ui/jobs/$id", params: { id: job.id } });
    } catch (error) {
      const placed = placeErrors(
        error,
        new Set([...fields.map(({ pointer }) => `/payload${pointer}`), ...OPTION_FIELDS.map(({ pointer }) => pointer)]),
      );
      setRefused(placed.errors);
      setTrouble(placed.rest);
      setSending(false);
    }
  };

  const hasOptionErrors = OPTION_FIELDS.some(({ pointer }) => errors[pointer]);
  return (
    <div className="new-columns">
      <form ref={form} className="card form" noValidate onSubmit={(event) => void submit(event)}>
        <h2>Payload</h2>
        {fields.length === 0 && <p className="muted">This task takes no payload.</p>}
        {fields.map((field) => (
          <FieldInput
            key={field.pointer}
            field={field}
            value={draft[field.pointer]}
            error={errors[`/payload${field.pointer}`]}
            onChange={(value) =>
              change(`/payload${field.pointer}`, () => setDraft({ ...draft, [field.pointer]: value }))
            }
          />
        ))}
        <details className="options" open={hasOptionErrors || undefined}>
          <summary>
            Options
            <span className="faint">delay, attempts, timeout, priority, expiry, unique key, tags</span>
          </summary>
          <div className="options-grid">
            {OPTION_FIELDS.map((field) => (
              <FieldInput
                key={field.pointer}
                field={withTaskDefault(field, task.options)}
                value={options[field.pointer]}
                error={errors[field.pointer]}
                onChange={(value) => change(field.pointer, () => setOptions({ ...options, [field.pointer]: value }))}
              />
            ))}
          </div>
        </details>
        {task.paused && <p className="hint">This task is paused: the job is stored and waits until it is resumed.</p>}
        {trouble && (
          <p className="form-trouble" role="alert">
            <Icon name="alert" />
            {trouble}
          </p>
        )}
        <div className="form-end">
          <Button type="submit" look="primary" disabled={sending}>
            {sending ? "Submitting…" : "Submit job"}
          </Button>
        </div>
      </form>
      <Snippets submission={submission} />
    </div>
  );
}

function prefixed(payloadErrors: FieldErrors, prefix: string, others: FieldErrors): FieldErrors {
  const errors = { ...others };
  for (const [pointer, error] of Object.entries(payloadErrors)) errors[prefix + pointer] = error;
  return errors;
}

/** What the API said of single fields goes to them; the rest is said above the button. */
function placeErrors(error: unknown, known: ReadonlySet<string>): { errors: FieldErrors; rest: string | null } {
  if (!(error instanceof ApiError) || !error.problem.errors?.length) return { errors: {}, rest: explain(error) };
  const errors: FieldErrors = {};
  const rest: string[] = [];
  for (const { pointer, detail } of error.problem.errors) {
    // An error inside a list or object stands at the field that holds it.
    const field = [...known].find((one) => pointer === one || pointer.startsWith(`${one}/`));
    if (field) errors[field] = detail;
    else rest.push(pointer ? `${pointer}: ${detail}` : detail);
  }
  return { errors, rest: rest.length ? rest.join(" · ") : null };
}

function withTaskDefault<F extends { pointer: string; example: string | null }>(
  field: F,
  options: Record<string, Json>,
): F {
  const value = options[field.pointer.slice(1)];
  return typeof value === "number" ? { ...field, example: `${value}, as the task says` } : field;
}

/** Not crypto.randomUUID: that exists on https and localhost only. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
