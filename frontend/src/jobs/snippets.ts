import type { Json, Submission } from "../api/types";

/** One submission in three languages, ready to paste. */
export function snippetsOf(origin: string, submission: Submission): { name: string; text: string }[] {
  const line = JSON.stringify(submission);
  const json = line.length > 56 ? JSON.stringify(submission, null, 2).replaceAll("\n", "\n  ") : line;
  return [
    {
      name: "curl",
      text: `curl -X POST ${origin}/jobs \\\n  -H 'content-type: application/json' \\\n  -d '${json.replaceAll("'", "'\\''")}'`,
    },
    {
      name: "Python",
      text: `import requests\n\njob = requests.post(\n    "${origin}/jobs",\n    json=${python(submission as unknown as Json, 1)},\n).json()\nprint(job["id"], job["state"])`,
    },
    {
      name: "JavaScript",
      text: `const response = await fetch("${origin}/jobs", {\n  method: "POST",\n  headers: { "content-type": "application/json" },\n  body: JSON.stringify(${JSON.stringify(submission, null, 2).replaceAll("\n", "\n  ")}),\n});\nconst job = await response.json();\nconsole.log(job.id, job.state);`,
    },
  ];
}

function python(value: Json, depth: number): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const list = Array.isArray(value);
  const items = list
    ? value.map((one) => python(one, depth + 1))
    : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one, depth + 1)}`);
  const [open, close] = list ? ["[", "]"] : ["{", "}"];
  const short = `${open}${items.join(", ")}${close}`;
  if (short.length + 4 * depth <= 76) return short;
  const pad = "    ".repeat(depth + 1);
  return `${open}\n${items.map((item) => `${pad}${item},\n`).join("")}${"    ".repeat(depth)}${close}`;
}
