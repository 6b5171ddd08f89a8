import { useQuery } from "@tanstack/react-query";
import { hourQuery, tasksQuery } from "../../api/queries";
import { useTitle } from "../../title";
import { Blank, LoadError, Skeleton } from "../../ui/feedback";
import { TaskRow } from "./task-row";

/** Each task: how much it does, how well, what waits for it, and whether it may. */
export function TasksView() {
  useTitle("Tasks");
  const { data: tasks, error, refetch } = useQuery(tasksQuery);
  const { data: stats } = useQuery(hourQuery);
  return (
    <div className="tasks">
      <div className="page-head">
        <h1>Tasks</h1>
      </div>
      {error && !tasks ? (
        <LoadError what="The tasks" error={error} onRetry={() => void refetch()} />
      ) : !tasks ? (
        <div className="task-list" role="status" aria-label="Loading the tasks">
          {[120, 90, 140].map((width) => (
            <div key={width} className="task-row">
              <Skeleton width={width} />
            </div>
          ))}
        </div>
      ) : tasks.length === 0 ? (
        <Blank icon="box" title="No task is known yet">
          <p>A worker writes its catalogue when it starts. Start one, and its tasks appear here.</p>
        </Blank>
      ) : (
        <ul className="task-list">
          {tasks.map((task) => (
            <TaskRow key={task.name} task={task} stats={stats} />
          ))}
        </ul>
      )}
    </div>
  );
}
