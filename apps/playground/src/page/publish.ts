import { ask } from "@tidings/shared/client";
import type { Lane } from "../lane.ts";
import { find } from "./dom.ts";

/** Sends what the form holds to all lanes at once, and says how each of them took it. */
export const publishForm = (form: HTMLFormElement, lanes: readonly Lane[]): void => {
  const report = find(form, "ul", HTMLUListElement);
  const say = (text: string, failed = false) => {
    const line = document.createElement("li");
    line.textContent = text;
    line.classList.toggle("failed", failed);
    report.append(line);
  };

  form.addEventListener("submit", async (submit) => {
    submit.preventDefault();
    report.replaceChildren();
    const fields = new FormData(form);
    let body: string;
    try {
      const data = JSON.parse(`${fields.get("data")}`);
      body = JSON.stringify({ type: fields.get("type"), data });
    } catch (error) {
      return say(`data: must be JSON. ${error instanceof Error ? error.message : ""}`, true);
    }
    const key = crypto.randomUUID();
    let taken = 0;
    const failures = new Map<string, string[]>();
    const publish = async ({ title, publishUrl }: Lane) => {
      if (publishUrl === undefined) return;
      try {
        await ask(new URL("/events", publishUrl), {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": key },
          body,
        });
        taken++;
      } catch (error) {
        const reason = error instanceof Error ? error.message : `${error}`;
        failures.set(reason, [...(failures.get(reason) ?? []), title]);
      }
    };
    await Promise.all(lanes.map(publish));
    for (const [reason, titles] of failures) say(`${titles.join(", ")}: ${reason}`, true);
    if (taken > 0) say(`Published to ${taken} ${taken === 1 ? "lane" : "lanes"}.`);
  });
};
