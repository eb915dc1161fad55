// Combines two signals into one: it aborts with the first, and leaves no listener on either.
import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { withEitherSignal } from "../../runner/base/either-signal.ts";

const signalsOf = (controllers: readonly AbortController[]): AbortSignal[] =>
  controllers.map(({ signal }) => signal);

it("aborts with the first of its signals, for that one's reason", async () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const seen = await withEitherSignal(signalsOf([first, second]), async (either) => {
    second.abort("second");
    first.abort("first");
    return either.reason;
  });
  expect(seen).toBe("second");
});

it("is aborted from the start if one of its signals is", async () => {
  const signals = [new AbortController().signal, AbortSignal.abort("early")];
  expect(await withEitherSignal(signals, async ({ reason }) => reason)).toBe("early");
});

it("leaves no listener on its signals, whether the work ends or fails", async () => {
  const signals = signalsOf([new AbortController(), new AbortController()]);
  const listeners = (): number => signals.flatMap((signal) => getEventListeners(signal, "abort")).length;
  await withEitherSignal(signals, async () => expect(listeners()).toBe(2));
  await expect(withEitherSignal(signals, () => Promise.reject(new Error("failed")))).rejects.toThrow(
    "failed",
  );
  expect(listeners()).toBe(0);
});
