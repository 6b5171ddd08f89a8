import { useState } from "react";
import { explain } from "../../api/client";
import { cancelMatching } from "../../api/queries";
import type { CancelFilter, Job } from "../../api/types";
import { type Action, allowed } from "../../jobs/actions";
import { formatCount } from "../../time/format";
import { Button, IconButton } from "../../ui/controls";
import { Confirm } from "../../ui/dialog";
import { Icon, type IconName } from "../../ui/icons";
import { useNotify } from "../../ui/notices";

const ACTIONS: { action: Action; icon: IconName; word: string }[] = [
  { action: "redrive", icon: "redo", word: "Redrive" },
  { action: "cancel", icon: "stop", word: "Cancel" },
  { action: "delete", icon: "trash", word: "Delete" },
];

interface BulkBarProps {
  selected: Job[];
  onAct: (action: Action) => void;
  onAll: () => void;
  onClear: () => void;
  /** The list's filter, if the API can cancel by it. */
  matching: CancelFilter | null;
}

/** What can be done with the ticked rows; each button says to how many of them it applies. */
export function BulkBar({ selected, onAct, onAll, onClear, matching }: BulkBarProps) {
  return (
    <section className="bulk" aria-label="Selected jobs" data-testid="bulk">
      <span className="bulk-count" role="status">
        {formatCount(selected.length)} selected
      </span>
      {ACTIONS.map(({ action, icon, word }) => {
        const count = selected.filter((job) => allowed(job)[action]).length;
        return (
          <Button key={action} size="small" disabled={count === 0} onClick={() => onAct(action)}>
            <Icon name={icon} />
            {word} {formatCount(count)}
          </Button>
        );
      })}
      <span className="bulk-end">
        {matching && <CancelMatching filter={matching} />}
        <Button size="small" look="quiet" onClick={onAll}>
          Select all shown
        </Button>
        <IconButton icon="cross" label="Clear the selection" size="small-icon" onClick={onClear} />
      </span>
    </section>
  );
}

/** Cancels by the filter itself, also what is not shown: counted first, then asked for. */
function CancelMatching({ filter }: { filter: CancelFilter }) {
  const notify = useNotify();
  const [matched, setMatched] = useState<number | null>(null);
  const run = async (dryRun: boolean) => {
    setMatched(null);
    try {
      const answer = await cancelMatching(filter, dryRun);
      if (dryRun) setMatched(answer.matched);
      else
        notify("good", `${formatCount(answer.cancelled)} cancelled, ${formatCount(answer.requested)} asked to stop.`);
    } catch (error) {
      notify("bad", explain(error));
    }
  };
  return (
    <>
      <Button size="small" look="quiet" onClick={() => void run(true)}>
        Cancel all that match…
      </Button>
      <Confirm
        open={matched !== null}
        title={matched === 0 ? "No live job matches" : `Cancel ${formatCount(matched ?? 0)} jobs?`}
        text={
          matched === 0
            ? "There is nothing to cancel: all that match have ended."
            : "These are all live jobs that match the filter now, also those further down the list."
        }
        keep="Keep them"
        act={matched === 0 ? null : `Cancel ${formatCount(matched ?? 0)} jobs`}
        onKeep={() => setMatched(null)}
        onAct={() => void run(false)}
      />
    </>
  );
}
