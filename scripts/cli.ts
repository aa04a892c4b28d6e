// What the commands have in common: a mistake gets one line and a non-zero exit, never a stack.

/** Ends the command with one line, and a hint when there is one. */
export function fail(error: unknown, hint?: string): never {
  console.error(`tidings: ${error instanceof Error ? error.message : error}`);
  if (hint) console.error(hint);
  process.exit(2);
}

/** A whole number within bounds. */
export const numberOption = (
  name: string,
  text: string,
  { min, max }: { min: number; max: number },
): number => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    fail(`${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`);
  return value;
};

/** An object in JSON. */
export const jsonOption = <Value extends object>(name: string, text: string): Value => {
  try {
    const value: Value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {}
  return fail(`${name} must be a JSON object, not ${JSON.stringify(text)}`);
};
