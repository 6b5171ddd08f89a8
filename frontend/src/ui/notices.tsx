import { createContext, type ReactNode, use, useCallback, useState } from "react";
import { IconButton } from "./controls";
import { Icon } from "./icons";

interface Notice {
  key: number;
  kind: "good" | "bad";
  text: string;
}

type Notify = (kind: Notice["kind"], text: string) => void;

const NotifyContext = createContext<Notify>(() => {});

export function useNotify(): Notify {
  return use(NotifyContext);
}

const SHOWN_FOR = 6_000;
let nextKey = 0;

/** Short messages in the corner about what an action did; screen readers hear them as well. */
export function Notices({ children }: { children: ReactNode }) {
  const [notices, setNotices] = useState<Notice[]>([]);
  const dismiss = useCallback((key: number) => setNotices((all) => all.filter((one) => one.key !== key)), []);
  const notify = useCallback<Notify>(
    (kind, text) => {
      nextKey += 1;
      const key = nextKey;
      setNotices((all) => [...all.slice(-2), { key, kind, text }]);
      setTimeout(() => dismiss(key), SHOWN_FOR);
    },
    [dismiss],
  );
  return (
    <NotifyContext value={notify}>
      {children}
      <div className="notices" role="status">
        {notices.map(({ key, kind, text }) => (
          <div key={key} className="notice" data-kind={kind}>
            <Icon name={kind === "good" ? "check" : "alert"} />
            <span className="notice-text">{text}</span>
            <IconButton icon="cross" label="Dismiss" size="small-icon" onClick={() => dismiss(key)} />
          </div>
        ))}
      </div>
    </NotifyContext>
  );
}
