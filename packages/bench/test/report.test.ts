import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noBrowser, open } from "../../../scripts/browser.ts";
import { renderReport, type Result } from "../src/index.ts";
import { sample } from "./result.ts";
import { synthetic } from "./synthetic.ts";

const result = synthetic({ seed: 1 });
const html = renderReport(result);

test("the report needs no network, and no script to be read", () => {
  expect(html).not.toMatch(/(src|href)="(?!data:)|url\(|@import|https?:(?!\/\/www\.w3\.org)/);
  const [page = ""] = html.split("<script");
  expect(page.match(/<figure>/g)?.length).toBe(9);
});

test("each plot has its caption, its name for those who cannot see it, and its figures", () => {
  const drawn = html.split("<figure>").slice(1);
  for (const figure of drawn) {
    expect(figure).toMatch(/<figcaption><h3>[^<]+<\/h3><p>/);
    expect(figure.match(/<svg role="img"[^>]* aria-label="[^"]+"/g)?.length).toBe(2);
    expect(figure).toMatch(/<details><summary>The figures<\/summary><div[^]*<td>/);
  }
});

test("baselines and peers can be told apart, from techniques and from each other", () => {
  const peers = ["sse/one", "sse/two", "sse/three"].map((name) => ({
    name,
    title: name,
    kind: "peer" as const,
    deviations: [],
  }));
  const like = result.runs.filter(({ contender }) => contender === "sse/raw-bun");
  const page = renderReport({
    ...result,
    contenders: [...result.contenders, ...peers],
    runs: [
      ...result.runs,
      ...peers.flatMap(({ name }) => like.map((run) => ({ ...run, contender: name }))),
    ],
  });
  const [, ages = "", ...others] = page.split("<figure>");
  const looks = [...ages.matchAll(/<li style="--c: ([^"]+)">.*?dasharray="([^"]+)"/g)].map(
    ([, colour, dash]) => `${colour} ${dash}`,
  );
  expect(looks).toHaveLength(9);
  expect(new Set(looks).size).toBe(9);
  // Each peer is in the plot on both sheets, with the look of the legend.
  const drawn = [...ages.matchAll(/<g stroke-dasharray="([^"]+)"[^>]* stroke="(var[^"]+)"/g)].map(
    ([, dash, colour]) => `${colour} ${dash}`,
  );
  const dashed = looks.filter((look) => !look.endsWith("none"));
  expect(drawn.toSorted()).toEqual([...dashed, ...dashed].toSorted());

  // On the frontier they are shown, and chosen from by nobody.
  const frontier = others.find((figure) => figure.includes("<h3>Staleness against cost"));
  for (const { title } of peers) {
    expect(frontier).toContain(`<title>${title}: `);
    expect(frontier).toContain(`<th scope="row">${title}</th>`);
  }
  const answer = (text: string) => text.split("<h2>")[1];
  expect(answer(page)).toBe(answer(html));
});

test("what could not be measured is said with its reason", () => {
  expect(html).toContain('<span class="failed">FAILED</span>');
  expect(html).toContain("FAILED storm, sse/raw-bun: 3 events were lost.");
  expect(html).toContain("n/a burst, short-poll: A poll&#x27;s staleness");
  expect(html).not.toMatch(/>[^<]*(NaN|undefined|Infinity)[^<]*</);
});

test("the raw result is in it, as it was", () => {
  const [, json = ""] = /<script type="application\/json" id="result">([^<]*)</.exec(html) ?? [];
  expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(result)));
});

test("a name cannot break out of the page", () => {
  const title = "</script><img src=x onerror=alert(1)>";
  const [contender] = sample().contenders;
  const evil: Result = { ...sample(), contenders: contender ? [{ ...contender, title }] : [] };
  expect(renderReport(evil)).not.toContain("<img");
});

test("a result of a single short run is a page as well", () => {
  const page = renderReport(sample());
  expect(page).toContain("Server-Sent Events");
  expect(page).not.toMatch(/>[^<]*(NaN|undefined|Infinity)[^<]*</);
});

test.skipIf(noBrowser !== undefined)(
  `it is shown without complaint, in light and dark, on a desk and on a telephone ${noBrowser ?? ""}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "tidings-report-"));
    try {
      await Bun.write(join(folder, "report.html"), html);
      using page = await open(`file://${folder}/report.html`);
      const seen: unknown[] = [];
      for (const [width, value] of [
        [1280, "light"],
        [1280, "dark"],
        [360, "light"],
        [360, "dark"],
      ] as const) {
        const device = { width, height: 800, deviceScaleFactor: 1, mobile: false };
        await page.view.cdp("Emulation.setDeviceMetricsOverride", device);
        const features = [{ name: "prefers-color-scheme", value }];
        await page.view.cdp("Emulation.setEmulatedMedia", { features });
        seen.push(
          await page.view.evaluate(`({
            overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
            plots: [...document.querySelectorAll("svg[role]")].filter((svg) => svg.clientWidth > 0).length,
            bright: parseInt(getComputedStyle(document.body).backgroundColor.slice(4)) > 128,
          })`),
        );
      }
      const looks = (bright: boolean) => ({ overflow: 0, plots: 9, bright });
      expect(seen).toEqual([looks(true), looks(false), looks(true), looks(false)]);
      expect(page.complaints).toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  20_000,
);
