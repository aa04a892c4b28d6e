import type { Scenario } from "./scenario.ts";
import { burst } from "./scenarios/burst.ts";
import { fanOut } from "./scenarios/fan-out.ts";
import { frontier } from "./scenarios/frontier.ts";
import { idle } from "./scenarios/idle.ts";
import { storm } from "./scenarios/storm.ts";

/** All scenarios, in the order in which they are played. */
export const scenarios: readonly Scenario[] = [fanOut, idle, burst, storm, frontier];
