// Each event carries its publication's number in its data, where a receiver finds it in the raw
// bytes of any protocol that sends text as it is: `~n` and eight digits.

const TILDE = 0x7e;
const N = 0x6e;
const DIGITS = 8;
const LENGTH = 2 + DIGITS;

/** The least that an event's data takes, in bytes. */
export const MIN_PAYLOAD_BYTES = LENGTH;

/** An event's data: the stamp, filled up to so many bytes. */
export const stamped = (number: number, payloadBytes: number): string =>
  `~n${`${number}`.padStart(DIGITS, "0")}`.padEnd(payloadBytes, ".");

/** The number of a stamped event's data; `undefined` when it has none. */
export const stampOf = (data: unknown): number | undefined => {
  const [, digits] = /^~n(\d{8})/.exec(typeof data === "string" ? data : "") ?? [];
  return digits === undefined ? undefined : Number(digits);
};

/** The numbers of the stamps in these bytes, up to `end`. */
export const scan = (bytes: Uint8Array, end = bytes.length): readonly number[] => {
  const numbers: number[] = [];
  for (let at = bytes.indexOf(TILDE); at >= 0; at = bytes.indexOf(TILDE, at)) {
    if (at + LENGTH > end) break;
    // A frame's header may read `~n` as well, where it says its length.
    let isStamp = bytes[at + 1] === N;
    let number = 0;
    for (let place = at + 2; isStamp && place < at + LENGTH; place++) {
      const digit = (bytes[place] ?? 0) - 48;
      isStamp = digit >= 0 && digit <= 9;
      number = number * 10 + digit;
    }
    if (isStamp) numbers.push(number);
    at += isStamp ? LENGTH : 1;
  }
  return numbers;
};
