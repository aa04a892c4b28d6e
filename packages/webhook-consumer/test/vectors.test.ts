import { describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { checkSecrets, schemes, SENDERS } from "../src/verify.ts";
import type { Vector, VectorFile } from "../vectors/cases.ts";
import { files, render } from "../vectors/generate.ts";
import { oracles } from "./oracles.ts";

const folder = resolve(import.meta.dir, "../vectors");

const headersOf = ({ headers }: Vector): Headers => {
  const all = new Headers();
  for (const [name, value] of headers) all.append(name, value);
  return all;
};

describe.each(SENDERS)("the vectors of %s", async (sender) => {
  const text = await Bun.file(`${folder}/${sender}.json`).text();
  const { vectors, secrets }: VectorFile = JSON.parse(text);
  const { library, accepts } = oracles[sender];

  test("are what the generator writes", async () => {
    expect(await render(files[sender]())).toBe(text);
  });

  test("have a name each, and both kinds are there", () => {
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(vectors.length);
    for (const verified of [true, false])
      expect(vectors.filter(({ expect }) => expect.verified === verified).length).toBeGreaterThan(
        10,
      );
  });

  const titled = vectors.map((vector) => {
    const deviation = vector.deviates?.[library];
    const title = deviation ? `${vector.name} (${library} ${deviation})` : vector.name;
    return [title.replaceAll("%", "%%"), vector] as const;
  });
  test.each(titled)("CONSUMER-1, CONSUMER-3, CONSUMER-5, CONSUMER-6: %s", async (_, vector) => {
    const body = Buffer.from(vector.body, "base64");
    const headers = headersOf(vector);
    const verdict = schemes[sender].verify(headers, body, vector.secrets, vector.now * 1000);
    expect(
      verdict.refused
        ? { verified: false, reason: verdict.refused.reason }
        : { verified: true, secret: verdict.secret },
    ).toEqual(vector.expect);
    const theirs = await Promise.all(
      vector.secrets.map((secret) => accepts(headers, body, secret, vector.now * 1000)),
    );
    // Where the official library is of another opinion, the vector says so.
    expect(theirs.includes(true)).toBe(
      vector.deviates?.[library] ? !vector.expect.verified : vector.expect.verified,
    );
  });

  test.each(secrets)("a secret: $why", ({ secret, valid }) => {
    const check = () => checkSecrets(sender, [secret]);
    if (valid) expect(check).not.toThrow();
    else expect(check).toThrow(RangeError);
  });
});

test("a runner in another language, which shares nothing with ours, agrees on all of them", async () => {
  const python = Bun.which("python3");
  if (!python) throw new Error("python3 is missing; `bun scripts/setup.ts` installs it.");
  const run = Bun.spawn([python, `${folder}/run.py`], { stdout: "pipe", stderr: "pipe" });
  const [out, errors] = await Promise.all([run.stdout.text(), run.stderr.text()]);
  expect(errors).toBe("");
  expect(await run.exited).toBe(0);
  // What the page shows is what it prints.
  expect(await Bun.file(`${folder}/README.md`).text()).toContain(out);
  for (const sender of SENDERS)
    expect(out).toMatch(new RegExp(`^${sender}: \\d+ vectors hold$`, "m"));
});
