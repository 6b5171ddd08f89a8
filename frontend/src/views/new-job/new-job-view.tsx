import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { jobQuery, tasksQuery } from "../../api/queries";
import { useTitle } from "../../title";
import { Blank, LoadError, Skeleton } from "../../ui/feedback";
import { SubmissionForm } from "./submission-form";
import { TaskCards } from "./task-cards";

/** Choose a task, fill its form, submit. */
export function NewJobView() {
  const { task: name, from } = useSearch({ from: "/ui/new" });
  const navigate = useNavigate({ from: "/ui/new" });
  const { data: tasks, error, refetch } = useQuery(tasksQuery);
  const model = useQuery({ ...jobQuery(from ?? ""), enabled: from !== undefined, retry: false });

  useTitle("New job");
  const task = tasks?.find((one) => one.name === name) ?? (name === undefined ? tasks?.[0] : undefined);
  const modelComes = from !== undefined && model.isPending;
  return (
    <div className="new-job">
      <div className="page-head">
        <h1>New job</h1>
      </div>
      {error && !tasks ? (
        <LoadError what="The tasks" error={error} onRetry={() => void refetch()} />
      ) : !tasks ? (
        <div className="task-cards" role="status" aria-label="Loading the tasks">
          {[120, 90, 140].map((width) => (
            <div key={width} className="task-card">
              <Skeleton width={width} />
              <Skeleton width="90%" />
            </div>
          ))}
        </div>
      ) : tasks.length === 0 ? (
        <Blank icon="box" title="No task is known yet">
          <p>A worker writes its catalogue when it starts. Start one, and its tasks appear here.</p>
        </Blank>
      ) : (
        <>
          <TaskCards
            tasks={tasks}
            chosen={task?.name}
            onChoose={(next) => void navigate({ search: { task: next }, replace: true })}
          />
          {!task && (
            <Blank icon="search" title={`No worker knows a task named “${name}”`}>
              <p>Choose one of those above.</p>
            </Blank>
          )}
          {task && !modelComes && (
            <SubmissionForm
              key={`${task.name} ${from ?? ""}`}
              task={task}
              model={model.data?.task === task.name ? model.data : undefined}
            />
          )}
        </>
      )}
    </div>
  );
}
