import type { Upstream } from "../../api/types";
import { formatCount, formatRound } from "../../time/format";
import { Icon } from "../../ui/icons";
import { Age, Countdown } from "../../ui/times";

/** Somebody else's service that a task calls: what is left of its quota, or why nobody calls it now. */
export function UpstreamLine({ upstream: { name, quota, breaker } }: { upstream: Upstream }) {
  const resting = breaker.state !== "closed";
  return (
    <p
      className="task-upstream"
      data-testid="upstream"
      data-resting={resting || undefined}
      data-short={quota?.remaining === 0 || undefined}
    >
      {resting && <Icon name="alert" />}
      <span>
        <strong>{name}</strong>
        {quota && (
          <>
            {" "}
            <span className="numbers">
              {formatCount(quota.remaining)} of {formatCount(quota.limit)}
            </span>{" "}
            calls left in {formatRound(quota.window_seconds * 1_000)}
            {quota.resets_at && (
              <>
                , the next comes back <Countdown until={Date.parse(quota.resets_at)} />
              </>
            )}
            {quota.waiting > 0 && (
              <>
                ; {formatCount(quota.waiting)} {quota.waiting === 1 ? "job waits" : "jobs wait"} for a turn
              </>
            )}
            .
          </>
        )}
        {resting && (
          <>
            {" "}
            Left alone
            {breaker.since && (
              <>
                {" "}
                for <Age at={breaker.since} />
              </>
            )}{" "}
            because its calls fail; its jobs wait and lose no attempt.{" "}
            {breaker.state === "half_open" ? (
              "One call tries just now whether it is well again."
            ) : (
              <>One call tries {breaker.retry_at ? <Countdown until={Date.parse(breaker.retry_at)} /> : "soon"}.</>
            )}
            {breaker.reason && <span className="muted"> {breaker.reason}</span>}
          </>
        )}
      </span>
    </p>
  );
}
