import { Link } from "@tanstack/react-router";
import type { Stats } from "../../api/types";
import { type Finding, verdictOf } from "../../figures/verdict";
import { useConnectionStatus } from "../../jobs/live-context";
import { useNow } from "../../time/clock";
import { Icon } from "../../ui/icons";

const ICONS = { good: "check", warn: "alert", bad: "alert" } as const;

/** The one line a person under pressure reads first. */
export function Truth({ stats }: { stats: Stats }) {
  const verdict = verdictOf(stats, useConnectionStatus(), useNow());
  return (
    <section className="truth" data-kind={verdict.kind} data-testid="truth" aria-label="How it is">
      <span className="truth-icon">
        <Icon name={ICONS[verdict.kind]} />
      </span>
      <div role="status">
        <p className="truth-title">{verdict.title}</p>
        {verdict.findings.length > 0 && (
          <ul>
            {verdict.findings.map((finding) => (
              <li key={finding.text}>
                <Found finding={finding} />
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function Found({ finding: { text, to } }: { finding: Finding }) {
  if (to === null) return <span>{text}</span>;
  return to.view === "tasks" ? (
    <Link to="/ui/tasks" className="link">
      {text}
    </Link>
  ) : (
    <Link to="/ui/jobs" search={to.search} className="link">
      {text}
    </Link>
  );
}
