import {
  answerTimer,
  ask,
  bearerHeaders,
  eventsUrl,
  linkedAbort,
  Refusal,
  type SubscribeOptions,
} from "@tidings/shared/client";
import { comesBack } from "./wire.ts";

/** The server closed the socket; `final` by the table of close codes in SPEC.md. */
export class Closed extends Refusal {
  readonly code: number;

  constructor(code: number, reason: string) {
    super(0, `The socket was closed with ${code}${reason && `: ${reason}`}.`);
    this.code = code;
  }

  override get final(): boolean {
    return !comesBack(this.code);
  }
}

/**
 * Closes a socket without waiting for the other end, which may be gone. A browser waits in the
 * background; Bun's process would live on for half a minute.
 */
export const hangUp = (socket: WebSocket & { terminate?: () => void }): void => {
  socket.close();
  socket.terminate?.();
};

/**
 * A WebSocket does not say why its handshake failed; the same request without an upgrade does. To
 * that, a WebSocket server that has nothing against us answers 426, and none answers 2xx.
 */
export const whyRefused = async (
  url: string | URL,
  options: SubscribeOptions,
  after: string | undefined,
) => {
  const { types, token, signal, silenceMs = 45_000 } = options;
  const line = linkedAbort(signal);
  const silence = answerTimer(silenceMs, line.abort);
  try {
    const events = eventsUrl(url, { after, types });
    const { status } = await ask(events, { signal: line.signal, headers: bearerHeaders(token) });
    return new Refusal(status, "The server answers, but it speaks no WebSocket here.");
  } catch (error) {
    return error instanceof Refusal && error.status === 426 ? undefined : error;
  } finally {
    clearTimeout(silence);
    line.abort();
  }
};
