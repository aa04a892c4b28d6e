export * from "./metrics.ts";
export * from "./result.ts";
export * from "./stats/histogram.ts";
