/** What an option's number may be. */
export interface Bounds {
  readonly min: number;
  readonly max?: number;
  /** Only whole numbers. */
  readonly whole?: boolean;
}

/**
 * Throws a RangeError that names the first option that is no finite number within its bounds. One
 * that is left out has its default. Options come from configurations, which no compiler checks.
 */
export const checkOptions = <Name extends string>(
  options: { readonly [name in NoInfer<Name>]?: unknown },
  bounds: { readonly [name in Name]: Bounds },
): void => {
  for (const name in bounds) {
    const { min, max = Infinity, whole = false } = bounds[name];
    const value = options[name];
    if (value === undefined) continue;
    const right = Number.isFinite(value) && (!whole || Number.isInteger(value));
    if (right && Number(value) >= min && Number(value) <= max) continue;
    const range = max === Infinity ? `, ${min} or more` : ` from ${min} to ${max}`;
    throw new RangeError(`${name}: must be a ${whole ? "whole " : ""}number${range}.`);
  }
};
