// The fleet tells its processes what to do and hears how it went: each order has one answer.

type Orders = Readonly<Record<string, (argument: never) => Promise<unknown>>>;

type Answer = { readonly result: unknown } | { readonly error: string };
type Order = readonly [number: number, name: string, argument: unknown];

/** Does what the parent process says, and ends with it. */
export const obey = (orders: Orders): void => {
  process.on("message", async ([number, name, argument]: Order) => {
    const answer: Answer = await Promise.try(() => orders[name]?.(argument as never)).then(
      (result) => ({ result }),
      (error) => ({ error: error instanceof Error ? error.message : `${error}` }),
    );
    process.send?.([number, answer]);
  });
  process.on("disconnect", () => process.exit(0));
};

/** A process that obeys. */
export interface Obedient<Known extends Orders> extends AsyncDisposable {
  readonly pid: number;
  /** Rejects with the reason when it cannot be done, and when the process has ended. */
  tell<Name extends keyof Known & string>(
    name: Name,
    ...argument: Parameters<Known[Name]>
  ): ReturnType<Known[Name]>;
}

/** Starts such a process on a core, or wherever the system likes. */
export const command = <Known extends Orders>(
  script: string,
  pinned: readonly string[],
): Obedient<Known> => {
  const gone: Answer = { error: "A process of the load generator has ended." };
  const waiting = new Map<number, (answer: Answer) => void>();
  const answered = (number: number, answer: Answer) => {
    waiting.get(number)?.(answer);
    waiting.delete(number);
  };
  let orders = 0;
  const child = Bun.spawn([...pinned, process.execPath, "--no-orphans", script], {
    stdio: ["ignore", "inherit", "inherit"],
    serialization: "advanced",
    ipc: ([number, answer]: [number, Answer]) => answered(number, answer),
    onExit: () => waiting.forEach((_, number) => answered(number, gone)),
  });
  const ask = async (name: string, argument: unknown) => {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const order: Order = [orders++, name, argument];
    waiting.set(order[0], resolve);
    if (child.exitCode !== null || child.signalCode !== null) answered(order[0], gone);
    else child.send(order);
    const answer = await promise;
    if ("error" in answer) throw new Error(answer.error);
    return answer.result;
  };
  const tell = <Name extends keyof Known & string>(
    name: Name,
    ...[argument]: Parameters<Known[Name]>
  ) => ask(name, argument) as ReturnType<Known[Name]>;
  const dispose = async () => {
    child.kill();
    await child.exited;
  };
  return { pid: child.pid, tell, [Symbol.asyncDispose]: dispose };
};
