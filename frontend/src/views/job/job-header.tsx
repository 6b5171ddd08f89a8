import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Job } from "../../api/types";
import { allowed, useJobActions } from "../../jobs/actions";
import { payloadFacts } from "../../jobs/facts";
import { useKeys } from "../../keys";
import { Button, CopyButton } from "../../ui/controls";
import { Confirm } from "../../ui/dialog";
import { Icon, StateIcon, stateWord } from "../../ui/icons";

export function JobHeader({ job }: { job: Job }) {
  const can = allowed(job);
  const lead = payloadFacts(job).find(({ name }) => name === null);
  const navigate = useNavigate();
  const actions = useJobActions();
  const [asking, setAsking] = useState<"cancel" | "delete" | null>(null);
  useKeys({
    c: () => can.cancel && setAsking("cancel"),
    r: () => can.redrive && void actions.one("redrive", job.id),
  });

  const act = async () => {
    setAsking(null);
    if (asking === "cancel") await actions.one("cancel", job.id);
    else if (await actions.one("delete", job.id)) await navigate({ to: "/ui/jobs" });
  };

  return (
    <header className="job-head">
      <div className="job-title">
        <h1>
          {job.task}
          {lead && <span className="job-lead">{lead.value}</span>}
        </h1>
        <span className="state state-pill" data-testid="job-state" data-state={job.state} role="status">
          <StateIcon state={job.state} />
          {job.cancel_requested && job.state === "running" ? "Cancelling" : stateWord(job.state)}
        </span>
      </div>
      <p className="job-id">
        <span className="mono faint">{job.id}</span>
        <CopyButton text={job.id} label="Copy id" />
      </p>
      <div className="job-actions">
        {can.redrive && (
          <Button look="primary" onClick={() => void actions.one("redrive", job.id)}>
            <Icon name="redo" />
            Redrive
          </Button>
        )}
        {can.cancel && (
          <Button look="danger" onClick={() => setAsking("cancel")}>
            <Icon name="stop" />
            Cancel
          </Button>
        )}
        <Link to="/ui/new" search={{ task: job.task, from: job.id }} className="button">
          <Icon name="plus" />
          Run again
        </Link>
        {can.delete && (
          <Button look="danger" onClick={() => setAsking("delete")}>
            <Icon name="trash" />
            Delete
          </Button>
        )}
      </div>
      <Confirm
        open={asking === "cancel"}
        title="Cancel this job?"
        text={
          job.state === "running"
            ? "Its worker is told to stop; if a result arrives first, the result wins."
            : "It will not run. A cancelled job cannot be started again."
        }
        keep="Keep it"
        act="Cancel the job"
        onKeep={() => setAsking(null)}
        onAct={() => void act()}
      />
      <Confirm
        open={asking === "delete"}
        title="Delete this job?"
        text="Its record and its result are removed for good."
        keep="Keep it"
        act="Delete for good"
        onKeep={() => setAsking(null)}
        onAct={() => void act()}
      />
    </header>
  );
}
