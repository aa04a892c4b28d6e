import { ask, bearerHeaders, Refusal } from "@tidings/shared/client";
import type { Lane } from "../lane.ts";
import { find } from "./dom.ts";
import { currentToken, explain } from "./token.ts";

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
    const headers = {
      ...bearerHeaders(currentToken()),
      "content-type": "application/json",
      "idempotency-key": crypto.randomUUID(),
    };
    const publish = async (lane: Lane) => {
      try {
        await ask(new URL("/events", lane.publishUrl), { method: "POST", headers, body });
        return { lane, failure: "" };
      } catch (error) {
        return { lane, failure: error instanceof Refusal ? explain(error) : "does not answer." };
      }
    };
    const outcomes = await Promise.all(
      lanes.filter(({ publishUrl }) => publishUrl !== undefined).map(publish),
    );
    for (const [failure, group] of Map.groupBy(outcomes, (outcome) => outcome.failure))
      if (failure) say(`${group.map(({ lane }) => lane.title).join(", ")}: ${failure}`, true);
      else say(`Published to ${group.length} ${group.length === 1 ? "lane" : "lanes"}.`);
  });
};
