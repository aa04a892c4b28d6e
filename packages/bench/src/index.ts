export * from "./metrics.ts";
export * from "./result.ts";
export { compare, type Change, type Comparison, type Verdict } from "./stats/compare.ts";
export * from "./stats/histogram.ts";
export { renderMeasured } from "./report/measured.ts";
export { renderReport } from "./report/page.ts";
export { renderComparison, renderMarkdown, renderTable } from "./report/text.ts";
