import { call } from "./client";

/** Has the API tell a picture's provider that a person has taken it, as Unsplash's terms ask. */
export async function reportUse(image: string, job: string): Promise<void> {
  await call(`/images/${encodeURIComponent(image)}/used`, { method: "POST", body: { job } });
}
