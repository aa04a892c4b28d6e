import { GAP, type FeedEvent } from "@tidings/shared";
import type { Note } from "@tidings/shared/client";
import type { Lane } from "../lane.ts";
import { copy, find, write } from "./dom.ts";

// So many events stay in a card's list, and count for its median age and its line of load.
const MAX_EVENTS = 50;

type State = "connecting" | "connected" | "reconnecting" | "refused" | "no client";

/** One lane on the page. */
export class Card {
  readonly element = copy("lane");
  readonly #list = find(this.element, "ol", HTMLOListElement);
  readonly #ages: number[] = [];
  readonly #load: number[] = [];
  #waiting: Element[] = [];
  #events = 0;
  #gaps = 0;
  #paused = false;

  constructor({ name, title, idea, direction, url, remark, client }: Lane) {
    this.element.id = name;
    this.element.setAttribute("aria-labelledby", `${name}-title`);
    find(this.element, "h2", HTMLElement).id = `${name}-title`;
    write(this.element, "h2", title);
    write(this.element, ".idea", idea);
    write(this.element, ".direction", direction);
    write(this.element, ".url", url);
    find(this.element, ".url", HTMLAnchorElement).href = new URL("/status", url).href;
    this.#text(".remark", remark);
    this.#list.setAttribute("aria-label", `Events of ${title}, the newest first`);
    if (client === undefined) this.#show("no client");
  }

  /** What the lane's client reports on its way. */
  note(note: Note): void {
    if (note.kind === "open") this.#show("connected");
    if (note.kind === "retry") this.#show("reconnecting", note.reason);
  }

  connecting(): void {
    this.#show("connecting");
  }

  /** The client has given up. */
  refused(reason: string): void {
    this.#show("refused", reason);
  }

  add(event: FeedEvent): void {
    const age = Math.max(0, Date.now() - Date.parse(event.time));
    if (event.type === GAP) write(this.element, ".gaps", `${++this.#gaps}`);
    else {
      write(this.element, ".events", `${++this.#events}`);
      write(this.element, ".age", `${median(keep(this.#ages, age))} ms`);
    }
    const busy = busyPercent(event);
    if (busy !== undefined) this.#draw(busy);
    this.#waiting = [row(event, age), ...this.#waiting].slice(0, MAX_EVENTS);
    this.#render();
  }

  /** Holds the list still; counting goes on, and what came meanwhile is shown afterwards. */
  pause(paused: boolean): void {
    this.#paused = paused;
    this.#render();
  }

  #draw(busy: number): void {
    const line = keep(this.#load, busy).map((percent, index) => `${index},${100 - percent}`);
    find(this.element, "polyline", SVGElement).setAttribute("points", line.join(" "));
    write(this.element, "figcaption", `${Math.round(busy)} % busy`);
    find(this.element, "figure", HTMLElement).hidden = false;
  }

  #render(): void {
    if (this.#paused) return;
    this.#list.prepend(...this.#waiting);
    this.#waiting = [];
    while (this.#list.children.length > MAX_EVENTS) this.#list.lastElementChild?.remove();
  }

  #text(selector: string, text = ""): void {
    write(this.element, selector, text);
    find(this.element, selector, HTMLElement).hidden = text === "";
  }

  #show(state: State, reason = ""): void {
    // A polling client opens again and again: only a change is worth telling a screen reader.
    if (this.element.getAttribute("data-state") === state) return;
    this.element.setAttribute("data-state", state);
    write(this.element, ".state", state);
    find(this.element, ".state", HTMLElement).title = reason;
    this.#text(".reason", state === "refused" ? reason : "");
  }
}

/** Adds a value, and lets the oldest go when there are too many. */
const keep = (values: number[], value: number): readonly number[] => {
  values.push(value);
  if (values.length > MAX_EVENTS) values.shift();
  return values;
};

/** How busy the machine is, from an event of apps/host-metrics. */
const busyPercent = ({ type, data }: FeedEvent): number | undefined =>
  type === "host.metrics" &&
  typeof data === "object" &&
  data !== null &&
  "cpuBusyPercent" in data &&
  typeof data.cpuBusyPercent === "number"
    ? data.cpuBusyPercent
    : undefined;

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
};

const row = (event: FeedEvent, age: number): Element => {
  const element = copy("event");
  element.classList.toggle("gap", event.type === GAP);
  write(element, ".type", event.type);
  write(element, ".old", `${age} ms`);
  write(element, ".id", event.id);
  write(element, ".data", JSON.stringify(event.data));
  write(element, "pre", JSON.stringify(event.data, null, 2));
  return element;
};
