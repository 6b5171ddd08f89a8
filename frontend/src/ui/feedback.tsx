import type { ReactNode } from "react";
import { explain } from "../api/client";
import { Button } from "./controls";
import { Icon, type IconName } from "./icons";

interface BlankProps {
  icon: IconName;
  title: string;
  children?: ReactNode;
  kind?: "plain" | "bad";
}

/** What stands where there is nothing to show, and what to do about it. */
export function Blank({ icon, title, children, kind = "plain" }: BlankProps) {
  return (
    <section className="blank" data-kind={kind}>
      <span className="blank-icon">
        <Icon name={icon} />
      </span>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** Something could not be read. It is asked for again by itself; the button is for the impatient. */
export function LoadError({ what, error, onRetry }: { what: string; error: unknown; onRetry: () => void }) {
  return (
    <div role="alert">
      <Blank icon="plug" title={`${what} could not be loaded`} kind="bad">
        <p>{explain(error)}</p>
        <div className="blank-actions">
          <Button onClick={onRetry}>
            <Icon name="redo" />
            Try again
          </Button>
        </div>
      </Blank>
    </div>
  );
}

export function Skeleton({ width }: { width: number | string }) {
  return <span className="skeleton" style={{ width }} />;
}
