import type { FeedEvent } from "@tidings/shared";
import { ask, type Note, type SubscribeOptions } from "@tidings/shared/client";
import type { Lane } from "../lane.ts";
import { Card } from "./card.ts";
import { find } from "./dom.ts";
import { publishForm } from "./publish.ts";
import { currentToken, explain, tokenForm } from "./token.ts";

/** What every technique's client module exports. */
interface Client {
  subscribe(url: string, options?: SubscribeOptions): AsyncIterable<FeedEvent>;
}

const follow = async ({ url, client }: Lane, card: Card, signal: AbortSignal) => {
  if (client === undefined) return;
  card.connecting();
  try {
    const { subscribe }: Client = await import(`/clients/${client}.js`);
    const onNote = (note: Note) => signal.aborted || card.note(note);
    const options: SubscribeOptions = { token: currentToken(), signal, onNote };
    for await (const event of subscribe(url, options)) card.add(event);
  } catch (error) {
    if (!signal.aborted) card.refused(explain(error));
  }
};

const lanes: readonly Lane[] = await (await ask(new URL("/lanes.json", location.href), {})).json();
const shown = lanes.map((lane) => ({ lane, card: new Card(lane) }));

let leaving = new AbortController();
const followAll = () => {
  leaving.abort();
  leaving = new AbortController();
  for (const { lane, card } of shown) follow(lane, card, leaving.signal);
};
followAll();
tokenForm(find(document, "#token", HTMLFormElement), followAll);

const grid = find(document, "#lanes", HTMLElement);
grid.replaceChildren(...shown.map(({ card }) => card.element));
grid.removeAttribute("aria-busy");
find(document, "#empty", HTMLElement).hidden = shown.length > 0;

publishForm(find(document, "#publish", HTMLFormElement), lanes);

const pause = find(document, "#pause", HTMLButtonElement);
pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", `${paused}`);
  for (const { card } of shown) card.pause(paused);
});
