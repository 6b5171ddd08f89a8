import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  type RouterHistory,
  redirect,
} from "@tanstack/react-router";
import { parseSearch, readJobsSearch, readLettersSearch, readNewJobSearch, stringifySearch } from "./search";
import { Shell } from "./shell";
import { Button } from "./ui/controls";
import { Blank } from "./ui/feedback";
import { OverviewView } from "./views/overview/overview-view";

function NotFound() {
  return (
    <Blank icon="search" title="There is no such page">
      <div className="blank-actions">
        <Link to="/ui/jobs" className="button">
          See all jobs
        </Link>
      </div>
    </Blank>
  );
}

/** A view that broke: the rest of the page stands. */
function Broken({ reset }: { reset: () => void }) {
  return (
    <Blank icon="alert" title="This view stumbled" kind="bad">
      <p>Something unexpected stands in its data. The jobs themselves are not touched by that.</p>
      <div className="blank-actions">
        <Button onClick={reset}>Show it again</Button>
        <Link to="/ui/jobs" className="button">
          See all jobs
        </Link>
      </div>
    </Blank>
  );
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/ui", replace: true });
  },
});

const overviewRoute = createRoute({ getParentRoute: () => root, path: "/ui", component: OverviewView });

const jobsRoute = createRoute({
  getParentRoute: () => root,
  path: "/ui/jobs",
  validateSearch: readJobsSearch,
  component: lazyRouteComponent(() => import("./views/jobs/jobs-view"), "JobsView"),
});

const jobRoute = createRoute({
  getParentRoute: () => root,
  path: "/ui/jobs/$id",
  component: lazyRouteComponent(() => import("./views/job/job-view"), "JobView"),
});

const newJobRoute = createRoute({
  getParentRoute: () => root,
  path: "/ui/new",
  validateSearch: readNewJobSearch,
  component: lazyRouteComponent(() => import("./views/new-job/new-job-view"), "NewJobView"),
});

const deadLettersRoute = createRoute({
  getParentRoute: () => root,
  path: "/ui/dead-letters",
  validateSearch: readLettersSearch,
  component: lazyRouteComponent(() => import("./views/dead-letters/dead-letters-view"), "DeadLettersView"),
});

const tasksRoute = createRoute({
  getParentRoute: () => root,
  path: "/ui/tasks",
  component: lazyRouteComponent(() => import("./views/tasks/tasks-view"), "TasksView"),
});

/** The page's router; tests give it a history of their own. */
export function createPageRouter(history?: RouterHistory) {
  return createRouter({
    routeTree: root.addChildren([home, overviewRoute, jobsRoute, jobRoute, newJobRoute, deadLettersRoute, tasksRoute]),
    ...(history && { history }),
    parseSearch,
    stringifySearch,
    defaultPreload: "intent",
    defaultErrorComponent: Broken,
    scrollRestoration: true,
    scrollToTopSelectors: ["#content"],
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createPageRouter>;
  }
}
