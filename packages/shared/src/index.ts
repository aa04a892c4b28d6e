export * from "./event.ts";
export * from "./problem.ts";
export * from "./technique.ts";
