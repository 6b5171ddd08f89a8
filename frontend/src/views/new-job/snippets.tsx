import { type KeyboardEvent, useId, useState } from "react";
import type { Submission } from "../../api/types";
import { snippetsOf } from "../../jobs/snippets";
import { CodeBlock } from "../../ui/controls";

/** The same submission for a terminal or a program, changing as the form is filled. */
export function Snippets({ submission }: { submission: Submission }) {
  const id = useId();
  const [chosen, setChosen] = useState(0);
  const snippets = snippetsOf(window.location.origin, submission);
  const snippet = snippets[chosen] ?? snippets[0];

  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const next = (chosen + step + snippets.length) % snippets.length;
    setChosen(next);
    event.currentTarget.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };
  return (
    <section className="card snippets" aria-label="The same as code">
      <div className="card-head">
        <h2>The same as code</h2>
        <div className="tabs" role="tablist" aria-label="Language" onKeyDown={onKeyDown}>
          {snippets.map(({ name }, index) => (
            <button
              key={name}
              id={`${id}-tab-${index}`}
              type="button"
              role="tab"
              aria-selected={index === chosen}
              aria-controls={`${id}-panel`}
              tabIndex={index === chosen ? 0 : -1}
              onClick={() => setChosen(index)}
            >
              {name}
            </button>
          ))}
        </div>
      </div>
      <div id={`${id}-panel`} role="tabpanel" aria-labelledby={`${id}-tab-${chosen}`}>
        {snippet && <CodeBlock text={snippet.text} label={`the ${snippet.name} code`} />}
      </div>
      <p className="form-help">
        The answer is 202 with the job. Follow it with <span className="mono">GET /jobs/&lt;id&gt;/events</span>, or
        here.
      </p>
    </section>
  );
}
