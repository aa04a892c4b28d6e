import type { FeedEvent } from "@tidings/shared";
import { ask, type SubscribeOptions } from "@tidings/shared/client";
import type { Lane } from "../lane.ts";
import { Card } from "./card.ts";
import { find } from "./dom.ts";
import { publishForm } from "./publish.ts";

/** What every technique's client module exports. */
interface Client {
  subscribe(url: string, options?: SubscribeOptions): AsyncIterable<FeedEvent>;
}

const follow = async ({ url, client }: Lane, card: Card) => {
  if (client === undefined) return;
  try {
    const { subscribe }: Client = await import(`/clients/${client}.js`);
    const options: SubscribeOptions = { onNote: (note) => card.note(note) };
    for await (const event of subscribe(url, options)) card.add(event);
  } catch (error) {
    card.refused(error instanceof Error ? error.message : `${error}`);
  }
};

const lanes: readonly Lane[] = await (await ask(new URL("/lanes.json", location.href), {})).json();
const cards = lanes.map((lane) => {
  const card = new Card(lane);
  follow(lane, card);
  return card;
});

const grid = find(document, "#lanes", HTMLElement);
grid.replaceChildren(...cards.map(({ element }) => element));
grid.removeAttribute("aria-busy");
find(document, "#empty", HTMLElement).hidden = cards.length > 0;

publishForm(find(document, "#publish", HTMLFormElement), lanes);

const pause = find(document, "#pause", HTMLButtonElement);
pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", `${paused}`);
  for (const card of cards) card.pause(paused);
});
