// The report: one HTML file that carries everything with it.
import { figures } from "../metrics.ts";
import type { Contender, Result } from "../result.ts";
import { CONFIDENCE, ENOUGH_ROUNDS } from "../stats/bootstrap.ts";
import { paramsText } from "../stats/cells.ts";
import { HOW } from "../stats/compare.ts";
import { COST } from "../stats/core.ts";
import { answerOf, type Answer } from "./answer.ts";
import { colourOf, dashOf, signOf } from "./draw.ts";
import { plotsOf, type Drawn, type Figures } from "./plots.ts";
import { summaryOf, type Entry, type Summary } from "./summary.ts";
import { legendOf, NO_NOISE, notesOf, textOf, WHOSE_NOISE } from "./text.ts";
import {
  conditionsOf,
  digits,
  percent,
  showFigure,
  showIn,
  showInterval,
  withUnit,
} from "./words.ts";

const style = await Bun.file(`${import.meta.dir}/style.css`).text();

const esc = Bun.escapeHTML;

const list = (items: readonly string[], name = "") =>
  `<ul class="${name}">${items.map((item) => `<li>${esc(item)}</li>`).join("")}</ul>`;

const tableOf = ({ head, rows }: Figures): string => {
  const [first = "", ...others] = head;
  const line = ([name = "", ...cells]: readonly string[]) =>
    `<tr><th scope="row">${esc(name)}</th>${cells.map((cell) => `<td>${esc(cell)}</td>`).join("")}</tr>`;
  return `<div class="scroll" tabindex="0"><table>
<thead><tr><th scope="col">${esc(first)}</th>${others.map((each) => `<th scope="col">${esc(each)}</th>`).join("")}</tr></thead>
<tbody>${rows.map(line).join("\n")}</tbody></table></div>`;
};

const byName = (contenders: readonly Contender[]) => contenders.map(({ name }) => name);

const choicesOf = ({ choices, rates, boundsUs }: Answer, names: readonly string[]): string => {
  const cell = (rate: number, boundUs: number) => {
    const [best, ...tied] =
      choices.find((choice) => choice.rate === rate && choice.boundUs === boundUs)?.best ?? [];
    if (!best) return `<td class="soft">none</td>`;
    const colour = colourOf(best.cell.contender.name, names);
    return `<td style="--c: ${colour}">${[best, ...tied].map(({ label }) => `<b>${esc(label)}</b>`).join("")}<small>${showFigure(COST, best.costUs)}</small></td>`;
  };
  const rows = rates.map(
    (rate) =>
      `<tr><th scope="row">${digits(rate)} events/s</th>${boundsUs.map((boundUs) => cell(rate, boundUs)).join("")}</tr>`,
  );
  return `<div class="scroll" tabindex="0"><table class="choices">
<thead><tr><th scope="col">p99 no older than</th>${boundsUs.map((boundUs) => `<th scope="col">${withUnit(boundUs, "µs")}</th>`).join("")}</tr></thead>
<tbody>${rows.join("\n")}</tbody></table></div>
<p class="soft">The technique that costs the server least among those that keep the bound, with its CPU per delivery. Several in one field cannot be told apart.</p>`;
};

const scenarioItem = ({ title, question, params }: Result["scenarios"][number]) =>
  `<div><dt>${esc(title)}</dt><dd>${esc(question)} <small>${esc(paramsText(params))}</small></dd></div>`;

const summaryTable = ({ columns, rows }: Summary): string => {
  const cell = (entry: Entry) => {
    const { column, estimate, place, cell } = entry;
    if (!estimate)
      return `<td><span class="${cell?.problem?.kind === "failed" ? "failed" : "soft"}">${textOf(entry)}</span></td>`;
    const interval = showInterval(column.figure, estimate);
    const small = interval ? `<small>${interval}</small>` : "";
    return `<td><span class="${place ?? ""}">${showIn(cell, column.figure, estimate.value)}</span>${small}</td>`;
  };
  const kinds = { tidings: "Techniques", baseline: "Baselines", peer: "Peers" } as const;
  const groups = (Object.keys(kinds) as Contender["kind"][]).map((kind) => {
    const own = rows.filter(({ contender }) => contender.kind === kind);
    if (own.length === 0) return "";
    const lines = own.map(
      ({ contender, entries }) =>
        `<tr><th scope="row">${esc(contender.title)}</th>${entries.map(cell).join("")}</tr>`,
    );
    return `<tbody><tr class="group"><th scope="rowgroup" colspan="${columns.length + 1}">${kinds[kind]}</th></tr>${lines.join("\n")}</tbody>`;
  });
  const heads = columns.map(
    ({ scenario, figure }) =>
      `<th scope="col"><small>${esc(scenario)}</small><br>${esc(figures[figure].title.replace(" per ", "\n per ")).replace("\n", "<br>")}</th>`,
  );
  return `<div class="scroll glance" tabindex="0"><table><thead><tr><th scope="col"></th>${heads.join("")}</tr></thead>${groups.join("")}</table></div>`;
};

const figure = ({ title, caption, plot, figures, legend, signs }: Drawn) => {
  const names = byName(legend);
  const legendItems = legend.map(({ name, title }) => {
    const sign =
      signs === "symbols"
        ? `<i>${signOf(name)}</i>`
        : `<svg width="28" height="8"><path d="M0 4h28" stroke-dasharray="${dashOf(name, names)}"/></svg>`;
    return `<li style="--c: ${colourOf(name, names)}">${sign}${esc(title)}</li>`;
  });
  return `<figure>
<figcaption><h3>${esc(title)}</h3><p>${caption}</p></figcaption>
${legendItems.length > 0 ? `<ul class="legend">${legendItems.join("")}</ul>` : ""}
${plot}
<details><summary>The figures</summary>${tableOf(figures)}</details>
</figure>`;
};

const METHOD = [
  "Servers and load generators run in processes of their own, pinned to cores of their own where the system allows.",
  "The load is open: events are published at the times of a schedule, whether or not the server keeps up, and staleness is counted from the moment in which an event was to be published. What a stall delays is delayed in the figures. The time until the publisher has its answer is counted from the same moment, and kept apart.",
  "Each run has a fresh server, with a warm-up before anything is measured.",
  "Each run checks what arrives. What is lost, doubled, out of order, or delivered before it is published takes the place of the figure, and so does a subscriber that an idle server cuts.",
  "Rounds are interleaved over the contenders, in an order drawn anew for each, so that what changes on the machine meets all of them.",
  "The load generator is measured first, against a server that does nothing. A run in which it was the bottleneck is invalid, and no figure, and played once more where there is time: it used more than 90 % of a core, or was more than 10 ms late one time in ten (idle: 100 ms, storm: 50 ms). In burst, a rate that was held counts, however busy the generator was. A p99 may hold that much of the generator; the raw result says for each run how much it was.",
  `Figures are medians over the rounds. From ${ENOUGH_ROUNDS} rounds on they have ${CONFIDENCE * 100} % percentile bootstrap intervals; with five rounds that reaches from the lowest to the highest. Contenders are compared by their ratio within each round. What an interval cannot tell from 1, or what is within the noise, is a tie.`,
  "Beside each run a small work on the server's core shows how quick that is at the time. No figure is corrected by it; `bench compare` takes it out of the differences that it judges in fan-out, idle and frontier.",
  `The noise is what a contender differs by from itself when it runs twice in each round of the same scenario: in fan-out each technique, with --full sse everywhere. With fewer than ${ENOUGH_ROUNDS} rounds there are no intervals and no marks; which one when is then judged by what ${CONFIDENCE * 100} % of such single rounds stay within, by Student's t.`,
];

const noiseTable = ({ floors }: Summary): string => {
  if (floors.length === 0) return `<p>${NO_NOISE}</p>`;
  const rows = floors.map(({ scenario, figure, ratio }) => [
    `${scenario}: ${figures[figure].title}`,
    percent(ratio),
  ]);
  return `<p>${esc(WHOSE_NOISE)} what is compared is held to the noise of its own, or to this where it did not run twice.</p>
<details><summary>The figures</summary>${tableOf({ head: ["", "noise"], rows })}</details>`;
};

const download = `
const text = document.getElementById("result").textContent;
document.querySelector("button").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "result.json";
  link.click();
  URL.revokeObjectURL(link.href);
};`;

/** The report as one HTML file, which needs no network. */
export const renderReport = (result: Result): string => {
  const summary = summaryOf(result);
  const answer = answerOf(result);
  const names = byName(result.contenders);
  const deviations = result.contenders.filter((one) => one.deviations.length > 0);
  const notes = notesOf(summary);
  // In a script, only a closing tag or a comment could end the text.
  const json = JSON.stringify(result).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Tidings: what it costs to bring events to clients</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<main>
<header>
<p class="kicker">Tidings · bench</p>
<h1>What it costs to bring fresh events to a client</h1>
<p class="soft">The same work for every technique, on one machine, checked while it was measured.</p>
${list(conditionsOf(result), "conditions")}
</header>
${
  answer
    ? `<section><h2>Which one when</h2>
${list(answer.sentences, "answer")}
${choicesOf(answer, names)}</section>`
    : ""
}
<section><h2>All at a glance</h2>
<dl class="scenarios">
${result.scenarios.map(scenarioItem).join("\n")}
</dl>
${summaryTable(summary)}
<p class="soft">${esc(legendOf(summary))}</p>
${notes.length > 0 ? `<h3>Where there is no figure</h3>${list(notes)}` : ""}
</section>
<section><h2>The plots</h2>
${plotsOf(result, answer).map(figure).join("\n")}
</section>
<section><h2>How it was measured</h2>
${list(METHOD)}
<h3>Noise</h3>
${noiseTable(summary)}
<h3>The load generator by itself</h3>
${tableOf({
  head: ["", "CPU per delivery that comes alone", "at that price it can take", ""],
  rows: result.audit.map(({ lane, alonePerSecond, cpuUsPerDelivery, invalid = "" }) => [
    lane,
    withUnit(cpuUsPerDelivery, "µs"),
    `${digits(alonePerSecond)} deliveries/s`,
    invalid,
  ]),
})}
${deviations.length > 0 ? `<h3>Who does not do quite the same</h3>${list(deviations.map(({ title, deviations }) => `${title}: ${deviations.join(" ")}`))}` : ""}
<h3>Comparing two results</h3>
<p>${esc(HOW)}</p>
<h3>The raw result</h3>
<p>Every run with its histograms, samples and conditions, as JSON.</p>
<button>Download result.json</button>
</section>
</main>
<script type="application/json" id="result">${json}</script>
<script>${download}</script>
</body>
</html>
`;
};
