import { useQuery } from "@tanstack/react-query";
import { useLocation } from "@tanstack/react-router";
import { tasksQuery } from "./api/queries";
import type { Task } from "./api/types";
import { usePausing } from "./jobs/pausing";
import { Button } from "./ui/controls";
import { Icon } from "./ui/icons";
import { Age } from "./ui/times";

/** Tasks whose jobs wait on purpose, above whatever is shown: who paused them, why, and the way out. */
export function PausedTasks() {
  const { data: tasks = [] } = useQuery(tasksQuery);
  // These two views say it themselves.
  const told = useLocation({ select: ({ pathname }) => /^\/ui(\/tasks)?\/?$/.test(pathname) });
  if (told) return null;
  return tasks.filter(({ paused }) => paused).map((task) => <PausedTask key={task.name} task={task} />);
}

function PausedTask({ task: { name, pause } }: { task: Task }) {
  const pausing = usePausing(name);
  return (
    <section className="banner" data-testid="paused-task" aria-label={`${name} is paused`}>
      <Icon name="alert" />
      <span className="banner-text">
        <strong>{name}</strong> {pause?.by === "brake" ? "has paused itself" : "is paused"}
        {pause && (
          <>
            {" "}
            for <Age at={pause.at} />
          </>
        )}
        ; its jobs wait and lose nothing.{pause?.reason && <span className="muted"> {pause.reason}</span>}
      </span>
      <Button size="small" disabled={pausing.isPending} onClick={() => pausing.resume()}>
        Resume
      </Button>
    </section>
  );
}
