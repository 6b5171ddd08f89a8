import type { Task } from "../../api/types";
import { Icon, type IconName } from "../../ui/icons";

const ICONS: Record<string, IconName> = {
  "image.search": "picture",
  "http.request": "globe",
  sleep: "clock",
  noop: "bolt",
};

interface TaskCardsProps {
  tasks: Task[];
  chosen: string | undefined;
  onChoose: (name: string) => void;
}

export function TaskCards({ tasks, chosen, onChoose }: TaskCardsProps) {
  return (
    <fieldset>
      <legend className="visually-hidden">Task</legend>
      <div className="task-cards">
        {tasks.map(({ name, description, paused }) => (
          <label key={name} className="task-card">
            <input
              type="radio"
              name="task"
              className="visually-hidden"
              value={name}
              checked={name === chosen}
              onChange={() => onChoose(name)}
            />
            <span className="task-card-name">
              <span className="task-card-icon">
                <Icon name={ICONS[name] ?? "box"} />
              </span>
              {name}
              {paused && <span className="badge">paused</span>}
            </span>
            {description && <span className="task-card-text">{description}</span>}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
