import type { Technique } from "@tidings/shared";
import { launch } from "../../../scripts/launch.ts";
import { optionsFor } from "../../../scripts/options.ts";
import { clientOf } from "../../../scripts/techniques.ts";
import type { Lane } from "./lane.ts";

/** The lane of a technique of this repository: its server is a process of its own. */
export const launchedLane = async (technique: Technique): Promise<Lane> => ({
  technique,
  subscribe: await clientOf(technique),
  ours: true,
  start: async ({ options, ...rest } = {}) =>
    launch(technique.name, { ...rest, options: await optionsFor(technique.name, options) }),
});

/** The lane of a server that runs already, whoever wrote it. */
export const strangersLane = async (technique: Technique, url: string): Promise<Lane> => ({
  technique,
  subscribe: await clientOf(technique),
  ours: false,
  start: async () => ({
    url,
    kill: () => {},
    exited: new Promise(() => {}),
    async [Symbol.asyncDispose]() {},
  }),
});
