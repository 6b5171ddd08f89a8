import * as RadixTooltip from "@radix-ui/react-tooltip";
import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { ConnectionBadge, ConnectionBanner } from "./connection-state";
import { KeyboardHelp } from "./keyboard-help";
import { useKeys } from "./keys";
import { PausedTasks } from "./paused-tasks";
import { type Theme, useTheme } from "./theme";
import { Button, DropMenu, IconButton, MenuItem } from "./ui/controls";
import { Icon, type IconName } from "./ui/icons";
import { Notices } from "./ui/notices";

const VIEWS: { to: "/ui" | "/ui/jobs" | "/ui/tasks" | "/ui/dead-letters"; icon: IconName; label: string }[] = [
  { to: "/ui", icon: "overview", label: "Overview" },
  { to: "/ui/jobs", icon: "jobs", label: "Jobs" },
  { to: "/ui/tasks", icon: "tasks", label: "Tasks" },
  { to: "/ui/dead-letters", icon: "letters", label: "Dead letters" },
];

/** What stands around every view: where one is, whether it is live, and the way to a new job. */
export function Shell() {
  const navigate = useNavigate();
  const [helping, setHelping] = useState(false);
  useKeys({
    "?": () => setHelping(true),
    n: () => void navigate({ to: "/ui/new" }),
  });
  return (
    <RadixTooltip.Provider delayDuration={400}>
      <Notices>
        <a className="skip" href="#content">
          Skip to content
        </a>
        <div className="shell">
          <header className="side">
            <Link to="/ui" className="brand" aria-label="Jobstream, overview">
              <BrandMark />
              Jobstream
            </Link>
            <nav className="nav" aria-label="Views">
              {VIEWS.map(({ to, icon, label }) => (
                <Link
                  key={to}
                  to={to}
                  className="nav-link"
                  activeOptions={{ exact: to === "/ui", includeSearch: false }}
                  activeProps={{ "data-active": true }}
                >
                  <Icon name={icon} />
                  {label}
                </Link>
              ))}
              <Link to="/ui/new" className="nav-link nav-new" activeProps={{ "data-active": true }}>
                <Icon name="plus" />
                New job
                <kbd>n</kbd>
              </Link>
            </nav>
            <div className="side-end">
              <ConnectionBadge />
              <div className="side-tools">
                <IconButton
                  icon="keyboard"
                  label="Keyboard help"
                  className="help-button"
                  onClick={() => setHelping(true)}
                />
                <ThemeMenu />
              </div>
            </div>
          </header>
          <main id="content" className="main" tabIndex={-1}>
            <ConnectionBanner />
            <PausedTasks />
            <Outlet />
          </main>
        </div>
        <KeyboardHelp open={helping} onClose={() => setHelping(false)} />
      </Notices>
    </RadixTooltip.Provider>
  );
}

function BrandMark() {
  return (
    <svg className="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent-fill)" />
      <path d="M7 11h11M7 16h17M7 21h7" fill="none" stroke="#fff" strokeWidth="3" strokeLinecap="round" />
      <circle cx="23.5" cy="11" r="2" fill="#fff" />
      <circle cx="19.5" cy="21" r="2" fill="#fff" />
    </svg>
  );
}

const THEMES: { theme: Theme; icon: IconName; label: string }[] = [
  { theme: "system", icon: "screen", label: "As the system" },
  { theme: "light", icon: "sun", label: "Light" },
  { theme: "dark", icon: "moon", label: "Dark" },
];

function ThemeMenu() {
  const [theme, choose] = useTheme();
  const icon = THEMES.find((one) => one.theme === theme)?.icon ?? "screen";
  return (
    <DropMenu
      trigger={
        <Button look="quiet" size="icon" aria-label="Colour theme" title="Colour theme">
          <Icon name={icon} />
        </Button>
      }
    >
      {THEMES.map((one) => (
        <MenuItem key={one.theme} icon={one.icon} ticked={one.theme === theme} onSelect={() => choose(one.theme)}>
          {one.label}
        </MenuItem>
      ))}
    </DropMenu>
  );
}
