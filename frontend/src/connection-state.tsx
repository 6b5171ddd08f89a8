import type { ConnectionStatus } from "jobstream-events";
import { useConnectionStatus, useLive } from "./jobs/live-context";
import { useNow } from "./time/clock";
import { formatAge } from "./time/format";
import { Button } from "./ui/controls";
import { Icon } from "./ui/icons";
import { Countdown } from "./ui/times";

const REASONS: Record<NonNullable<ConnectionStatus["reason"]>, string> = {
  starting: "Connecting to the server.",
  lost: "The connection was lost.",
  leaving: "The server is restarting.",
  busy: "The server has no room for another live reader.",
};

/** Always in sight: is what I see true now? */
export function ConnectionBadge() {
  const { state, reason, retryAt } = useConnectionStatus();
  const word =
    state === "live" ? "Live" : reason === "starting" ? "Connecting" : state === "offline" ? "Offline" : "Reconnecting";
  return (
    <div className="connection" data-testid="connection" data-state={state} role="status">
      <span className="connection-dot" aria-hidden="true" />
      <span>{word}</span>
      {retryAt !== null && (
        <span className="faint" aria-hidden="true">
          {state === "offline" && "next try "}
          <Countdown until={retryAt} />
        </span>
      )}
    </div>
  );
}

/** Says how old the picture is as soon as it is not live, above whatever is shown. */
export function ConnectionBanner() {
  const status = useConnectionStatus();
  const live = useLive();
  const now = useNow(status.state === "live" ? "never" : "slow");
  if (status.state === "live" || status.reason === "starting" || status.reason === null) return null;
  const age = status.heardAt === null ? null : formatAge(now - status.heardAt);
  return (
    <div className="banner" data-kind={status.state}>
      <Icon name="plug" />
      <span>
        {age === null
          ? "The server cannot be reached. It is tried again and again."
          : `${REASONS[status.reason]} What you see is ${age === "now" ? "a moment" : age} old.`}
      </span>
      <Button size="small" onClick={() => live.retryNow()}>
        Reconnect now
      </Button>
    </div>
  );
}
