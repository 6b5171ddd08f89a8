import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId } from "react";
import { explain } from "../../api/client";
import { redriveLetters } from "../../api/letters";
import { type LettersSearch, letterFilterOf } from "../../search";
import { formatCount, formatRound } from "../../time/format";
import { Button } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { Skeleton } from "../../ui/feedback";
import { Icon } from "../../ui/icons";
import { useNotify } from "../../ui/notices";

interface RedriveDialogProps {
  filter: LettersSearch | null;
  onClose: () => void;
}

/** Counts first what a redrive would start, then does it, at a rate if wanted. */
export function RedriveDialog({ filter, onClose }: RedriveDialogProps) {
  return (
    <Dialog open={filter !== null} onClose={onClose} title="Redrive dead letters">
      {filter && <Counted search={filter} onClose={onClose} />}
    </Dialog>
  );
}

function Counted({ search, onClose }: { search: LettersSearch; onClose: () => void }) {
  const id = useId();
  const queries = useQueryClient();
  const notify = useNotify();
  const filter = letterFilterOf(search, Date.now());
  const count = useQuery({
    queryKey: ["redrive", search],
    queryFn: () => redriveLetters(filter, { dryRun: true }),
    retry: false,
    staleTime: 0,
    gcTime: 0,
  });
  const redrive = useMutation({
    mutationFn: (rate: number | null) => redriveLetters(filter, { rate }),
    onSuccess: ({ redriven, skipped, complete }) => {
      const others = skipped ? `, ${formatCount(skipped)} skipped` : "";
      const more = complete ? "" : " More are left: redrive them when these have run.";
      notify("good", `${formatCount(redriven)} jobs redriven${others}.${more}`);
      onClose();
    },
    onError: (error) => notify("bad", explain(error)),
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ["dead-letters"] });
      return queries.invalidateQueries({ queryKey: ["stats"] });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const rate = Number(new FormData(event.currentTarget).get("rate"));
    redrive.mutate(rate > 0 ? rate : null);
  };
  const able = count.data?.redriven ?? 0;
  return (
    <form className="form more-filters" onSubmit={submit}>
      <dl className="facts">
        {Object.entries(filter).map(([name, value]) => (
          <div key={name}>
            <dt>{NAMES[name] ?? name}</dt>
            <dd className="mono">{value}</dd>
          </div>
        ))}
        {Object.keys(filter).length === 0 && <p className="muted">All dead letters, whatever their task and error.</p>}
      </dl>
      {count.isError ? (
        <p className="form-trouble" role="alert">
          <Icon name="alert" />
          {explain(count.error)}
        </p>
      ) : (
        <p className="redrive-count" role="status" data-testid="redrive-count">
          {count.data ? (
            <>
              <strong>{formatCount(able)}</strong> of {formatCount(count.data.matched)} jobs would start anew
              {count.data.skipped > 0 && (
                <span className="muted">
                  ; {formatCount(count.data.skipped)} are no longer failed, failed otherwise since, or were redriven
                  three times
                </span>
              )}
              .
            </>
          ) : (
            <Skeleton width="70%" />
          )}
        </p>
      )}
      <div className="form-field">
        <div className="form-label">
          <label htmlFor={id}>Jobs a second</label>
          <span className="faint">optional</span>
        </div>
        <input
          id={id}
          name="rate"
          className="field"
          type="number"
          min="0.1"
          max="10000"
          step="any"
          placeholder="all at once"
        />
        <p className="form-help">
          At a rate, what failed because something was overloaded does not overload it again.
          {able > 20 && ` At 5 a second this takes ${formatRound((able / 5) * 1_000)}.`}
        </p>
      </div>
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" disabled={able === 0 || redrive.isPending}>
          {redrive.isPending ? "Redriving…" : able === 1 ? "Redrive 1 job" : `Redrive ${formatCount(able)} jobs`}
        </Button>
      </div>
    </form>
  );
}

const NAMES: Record<string, string> = {
  task: "Task",
  kind: "Kind",
  error_type: "Error",
  after: "Stored since",
  before: "Stored before",
};
