import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createPage } from "./page";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/jobs.css";
import "./styles/job.css";
import "./styles/new-job.css";
import "./styles/letters.css";
import "./styles/overview.css";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

const page = createPage();
page.start();
createRoot(root).render(<StrictMode>{page.element}</StrictMode>);
