// Reads options from the doc comments of the interfaces that declare them.
import { Glob } from "bun";
import { resolve } from "node:path";

/** One option, as its doc comment explains it. */
export interface Option {
  readonly name: string;
  /** Its default, in the comment's words; empty when it names none. */
  readonly standard: string;
  /** What one of it is; empty when it is no number. */
  readonly unit: string;
  readonly effect: string;
}

interface Declared {
  readonly parents: readonly string[];
  readonly options: readonly Option[];
}

const packages = resolve(import.meta.dir, "../packages");

const unitOf = (name: string): string =>
  /Ms$/.test(name)
    ? "ms"
    : /Bytes$/.test(name)
      ? "bytes"
      : /PerSecond$/.test(name)
        ? "per second"
        : /^max/.test(name)
          ? "count"
          : "";

const readOption = (name: string, comment: string): Option => {
  const text = comment
    .replace(/^\s*\* ?/gm, " ")
    .replace(/\s+/g, " ")
    .trim();
  const [sentence = "", standard = ""] = /\s*\bDefault:? (.+?)\.(?=\s|$)/.exec(text) ?? [];
  const effect = text.replace(sentence, "").replace(/,? in (milliseconds|bytes)(?=[.;,])/, "");
  return { name, standard, unit: unitOf(name), effect: effect.trim() };
};

/** The exported interfaces of a source, by name. An option without a doc comment is left out. */
export const readInterfaces = (source: string): Map<string, Declared> => {
  const found = new Map<string, Declared>();
  const declaration = /^(?:export )?interface (\w+)(?: extends ([^{]+))? \{\n([^]*?)^\}/gm;
  for (const [, name = "", parents = "", members = ""] of source.matchAll(declaration)) {
    const options = [...members.matchAll(/^  \/\*\*([^]*?)\*\/\s*(?:readonly )?(\w+)\??:/gm)];
    found.set(name, {
      parents: parents.split(/,\s*(?![^<]*>)/).filter(Boolean),
      options: options.map(([, comment = "", option = ""]) => readOption(option, comment)),
    });
  }
  return found;
};

const interfacesOf = async (folder: string) => {
  const found = new Map<string, Declared>();
  for (const path of [...new Glob("*.ts").scanSync(folder)].sort())
    for (const [name, declared] of readInterfaces(await Bun.file(`${folder}/${path}`).text()))
      found.set(name, declared);
  return found;
};

/** The options of an interface that a package's source declares, its own first, then inherited. */
export const optionsOf = async (
  name: string,
  file: string,
): Promise<{ own: readonly Option[]; common: readonly Option[] }> => {
  const known = new Map([
    ...(await interfacesOf(`${packages}/shared/src`)),
    ...(await interfacesOf(resolve(`${packages}/${file}`, ".."))),
    ...readInterfaces(await Bun.file(`${packages}/${file}`).text()),
  ]);
  const all = (wanted: string): readonly Option[] => {
    const [, picked = wanted, keys] = /^Pick<(\w+), (.+)>$/.exec(wanted.trim()) ?? [];
    const declared = known.get(picked.trim());
    if (!declared) throw new Error(`${file}: the interface ${picked} is not found.`);
    const options = [...declared.options, ...declared.parents.flatMap(all)];
    return keys === undefined ? options : options.filter((o) => keys.includes(`"${o.name}"`));
  };
  const own = known.get(name);
  if (!own) throw new Error(`${file}: the interface ${name} is not found.`);
  return { own: own.options, common: own.parents.flatMap(all) };
};

/** The names of all options of an interface. */
export const optionNames = async (...where: Parameters<typeof optionsOf>): Promise<string[]> => {
  const { own, common } = await optionsOf(...where);
  return [...new Set([...own, ...common].map(({ name }) => name))];
};

/** Of options that are meant for any technique, those that this one's server has. */
export const optionsFor = async <Value>(
  technique: string,
  options: Readonly<Record<string, Value>> = {},
): Promise<Record<string, Value>> => {
  const names = await optionNames("Options", `${technique}/src/server.ts`);
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
};
