/**
 * The probability that Student's t with this many degrees of freedom is further from 0 than `t`, on
 * either side: the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4.
 */
export const beyond = (t: number, freedom: number): number => {
  const angle = Math.atan(Math.abs(t) / Math.sqrt(freedom));
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const odd = freedom % 2;
  let term = odd ? cos : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = 2 + odd; k < freedom; k += 2) {
    term *= cos * cos * ((k - 1) / k);
    sum += term;
  }
  return 1 - (odd ? (2 / Math.PI) * (angle + sin * sum) : sin * sum);
};

/** The t beyond which, on either side, lies this share. */
export const critical = (share: number, freedom: number): number => {
  let [low, high] = [0, 1e6];
  while (high - low > 1e-9 * high) {
    const middle = (low + high) / 2;
    if (beyond(middle, freedom) > share) low = middle;
    else high = middle;
  }
  return high;
};

/**
 * Which of many tests at once may be believed (Benjamini and Hochberg): of those that it keeps, no
 * more than this share is expected to be chance; where nothing is true, it keeps any at all no more
 * often than that.
 */
export const believable = (chances: readonly number[], share: number): readonly boolean[] => {
  const sorted = chances.toSorted((a, b) => a - b);
  const last = sorted.findLastIndex((p, place) => p <= (share * (place + 1)) / sorted.length);
  const limit = sorted[last] ?? -1;
  return chances.map((p) => p <= limit);
};
