import { describe, expect, mock, test } from "bun:test";
import { Subscribers } from "../src/subscribers.ts";

describe("Subscribers", () => {
  test("LIMIT-2: has as many seats as it is told, and gives free ones again", () => {
    const subscribers = new Subscribers({ maxSubscribers: 2 });
    const [one, two, three] = [mock(), mock(), mock()];
    expect(subscribers.join(one, "x")).toBe(true);
    expect(subscribers.join(two, "y")).toBe(true);
    expect(subscribers.join(three, "z")).toBe(false);
    expect(subscribers.size).toBe(2);
    subscribers.leave(one);
    expect(subscribers.join(three, "z")).toBe(true);
  });

  test("LIMIT-2: counts each address on its own", () => {
    const subscribers = new Subscribers({ maxSubscribers: 10, maxSubscribersPerAddress: 1 });
    const [one, two] = [mock(), mock()];
    expect(subscribers.join(one, "x")).toBe(true);
    expect(subscribers.join(two, "x")).toBe(false);
    expect(subscribers.join(two, "y")).toBe(true);
    subscribers.leave(one);
    expect(subscribers.join(mock(), "x")).toBe(true);
    expect(subscribers.join(mock(), "x")).toBe(false);
  });

  test("leaving twice, or without having come, gives back one seat", () => {
    const subscribers = new Subscribers({ maxSubscribers: 5, maxSubscribersPerAddress: 2 });
    const [one, two] = [mock(), mock()];
    subscribers.join(one, "x");
    subscribers.join(two, "x");
    subscribers.leave(one);
    subscribers.leave(one);
    subscribers.leave(mock());
    expect(subscribers.size).toBe(1);
    expect(subscribers.join(mock(), "x")).toBe(true);
    expect(subscribers.join(mock(), "x")).toBe(false);
  });

  test("a seat that was refused gives nothing back", () => {
    const subscribers = new Subscribers({ maxSubscribersPerAddress: 1 });
    const refused = mock();
    subscribers.join(mock(), "x");
    subscribers.join(refused, "x");
    subscribers.leave(refused);
    expect(subscribers.size).toBe(1);
    expect(subscribers.join(mock(), "x")).toBe(false);
  });

  test("SHUTDOWN-1: close ends everybody once, and admits nobody", () => {
    const subscribers = new Subscribers();
    const ends = Array.from({ length: 5 }, () => {
      const end = mock(() => subscribers.leave(end));
      subscribers.join(end, "x");
      return end;
    });
    subscribers.close();
    for (const end of ends) expect(end).toHaveBeenCalledTimes(1);
    expect(subscribers.size).toBe(0);
    expect(subscribers.join(mock(), "x")).toBe(false);
    subscribers.close();
    for (const end of ends) expect(end).toHaveBeenCalledTimes(1);
  });
});
