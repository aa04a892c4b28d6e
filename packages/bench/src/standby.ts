// The server of the next run is started while the one before it is opened and warmed up: a start takes
// half as long as many a run. While that one is measured, it stands still, however far it has come.
import type { Contender, Server } from "./contender.ts";
import { family, pinTo, type Places } from "./machine.ts";

interface Prepared {
  readonly contender: Contender;
  readonly server: Promise<Server>;
  readonly abandon: () => void;
  /** Nobody's while there is no process. */
  readonly pid: () => number | undefined;
}

export class Standby implements AsyncDisposable {
  readonly #prefix: readonly string[];
  #next: Contender | undefined;
  #prepared: Prepared | undefined;

  constructor({ server }: Pick<Places, "server">) {
    this.#prefix = server === undefined ? [] : pinTo(server);
    // Who stands still does not see its parent go.
    process.once("exit", this.#kill);
  }

  readonly #kill = (): void => this.#prepared?.abandon();

  /** Whose run comes now, and whose server is wanted after it. What is prepared for others ends. */
  async turn(now: Contender, next: Contender | undefined): Promise<void> {
    // Whoever held it may have failed before letting go.
    send(this.#prepared?.pid(), "SIGCONT");
    if (this.#prepared?.contender !== now) await this.#end();
    // A peer that stands still would outlive a bench that is killed.
    this.#next = next?.kind === "peer" ? undefined : next;
  }

  /**
   * A contender's server, prepared or started now; from then on the next one is prepared. `signal`
   * ends it, also while it is not ready yet.
   */
  async start(contender: Contender, signal?: AbortSignal): Promise<Server> {
    const prepared = this.#prepared?.contender === contender ? this.#prepared : undefined;
    if (prepared) {
      this.#prepared = undefined;
      signal?.addEventListener("abort", prepared.abandon);
    }
    const server = await (prepared?.server ?? contender.start({ prefix: this.#prefix, signal }));
    this.#prepare();
    return server;
  }

  #prepare(): void {
    const contender = this.#next;
    if (!contender || this.#prepared) return;
    this.#next = undefined;
    let pid: number | undefined;
    const onSpawn = (spawned: number) => void (pid = spawned);
    const controller = new AbortController();
    const { signal } = controller;
    const server = contender.start({ prefix: this.#prefix, onSpawn, signal });
    // Who takes it hears why there is none. The number of a process that has ended is another one's.
    const ended = server.then(({ exited }) => exited).catch(() => {});
    void ended.then(() => (pid = undefined));
    this.#prepared = { contender, server, abandon: () => controller.abort(), pid: () => pid };
  }

  /** Until this is disposed of, what is prepared does not run. */
  hold(): Disposable {
    const pid = this.#prepared?.pid();
    send(pid, "SIGSTOP");
    return { [Symbol.dispose]: () => send(pid, "SIGCONT") };
  }

  // It serves nobody yet, and may stand still or never become ready: it is not asked.
  async #end(): Promise<void> {
    this.#kill();
    const prepared = this.#prepared;
    this.#prepared = undefined;
    await prepared?.server.then(
      (server) => server[Symbol.asyncDispose](),
      () => {},
    );
  }

  /** Ends what is prepared. */
  async [Symbol.asyncDispose](): Promise<void> {
    process.off("exit", this.#kill);
    await this.#end();
  }
}

const send = (pid: number | undefined, name: NodeJS.Signals): void => {
  for (const member of pid === undefined ? [] : family(pid))
    try {
      process.kill(member, name);
    } catch {
      // It has ended meanwhile.
    }
};
