import { type FormEvent, useId, useState } from "react";
import type { Task } from "../../api/types";
import { usePausing } from "../../jobs/pausing";
import { Button } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { Icon } from "../../ui/icons";

/** Stops a task's jobs from starting, with a reason for whoever looks next; or lets them go on. */
export function PauseButton({ task: { name, paused } }: { task: Task }) {
  const id = useId();
  const pausing = usePausing(name);
  const [asking, setAsking] = useState(false);
  if (paused) {
    return (
      <Button className="task-button" look="primary" disabled={pausing.isPending} onClick={() => pausing.resume()}>
        <Icon name="play" />
        Resume
      </Button>
    );
  }
  const pause = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setAsking(false);
    pausing.pause(String(new FormData(event.currentTarget).get("reason") ?? "").trim());
  };
  return (
    <>
      <Button className="task-button" disabled={pausing.isPending} onClick={() => setAsking(true)}>
        <Icon name="pause" />
        Pause
      </Button>
      <Dialog open={asking} onClose={() => setAsking(false)} title={`Pause ${name}?`}>
        <form className="form more-filters" onSubmit={pause}>
          <p className="muted">
            Within two seconds no worker starts its jobs. What runs goes on; the others wait, lose no attempt, and go on
            by themselves after the resume.
          </p>
          <div className="form-field">
            <label htmlFor={id}>Reason, for whoever looks next</label>
            <input id={id} name="reason" className="field" autoComplete="off" maxLength={200} />
          </div>
          <div className="dialog-actions">
            <Button onClick={() => setAsking(false)}>Cancel</Button>
            <Button type="submit" look="primary">
              Pause the task
            </Button>
          </div>
        </form>
      </Dialog>
    </>
  );
}
