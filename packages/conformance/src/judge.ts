import { GAP, type FeedEvent, type Gap } from "@tidings/shared";
import { show } from "./follower.ts";

/** A client's deliveries, held against what was published. */
export interface Judgement {
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  readonly gaps: number;
  /** What was delivered, in order: the places in the list of what was published. */
  readonly places: readonly number[];
  /** The places that a gap event stands for. */
  readonly declared: ReadonlySet<number>;
}

/** Throws when something arrived that nobody published, or not as it was published. */
export const judge = (
  delivered: readonly FeedEvent[],
  published: readonly FeedEvent[],
): Judgement => {
  const placeOf = new Map(published.map(({ id }, place) => [id, place]));
  const places: number[] = [];
  const declared = new Set<number>();
  const seen = new Set<number>();
  let [doubled, reordered, gaps, furthest] = [0, 0, 0, -1];
  for (const event of delivered) {
    if (event.type === GAP) {
      const { after, resumesAt } = event.data as unknown as Gap;
      const end = placeOf.get(resumesAt) ?? published.length;
      for (let place = (placeOf.get(after) ?? -1) + 1; place < end; place++) declared.add(place);
      gaps++;
      continue;
    }
    const place = placeOf.get(event.id);
    if (place === undefined || !Bun.deepEquals(event, published[place], true))
      throw new Error(`delivered what was not published so: ${show(event)}`);
    if (seen.has(place)) doubled++;
    else if (place < furthest) reordered++;
    furthest = Math.max(furthest, place);
    seen.add(place);
    places.push(place);
  }
  const lost = published.filter((_, place) => !seen.has(place) && !declared.has(place)).length;
  return { lost, doubled, reordered, gaps, places, declared };
};
