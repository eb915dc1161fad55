// Attention windows that a proxy cannot tell from one another, because its sequences are short: what trains the same scores the same, and
// a front that seems to say that a window costs no quality says nothing.
import { formatMixer } from "../candidates/notation.ts";
import type { Mixer } from "../candidates/ops/operator-registry.ts";
import { counted } from "../candidates/words.ts";
import { type ProxyConfig, proxyWindow } from "./proxy.ts";

export interface WindowedTask {
  readonly name: string;
  /** Of a training sequence. */
  readonly length: number;
  readonly proxy: Pick<ProxyConfig, "context">;
}

/** Windows by what they are in the proxy: the task's length stands for all of the sequence. */
function byProxyWindow(windows: readonly number[], { length, proxy }: WindowedTask): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const window of windows) {
    const seen = Math.min(length, proxyWindow(window, proxy.context, length));
    groups.set(seen, [...(groups.get(seen) ?? []), window]);
  }
  return groups;
}

function noticesOf(windows: readonly number[], global: boolean, task: WindowedTask): string[] {
  return [...byProxyWindow(windows, task)].flatMap(([seen, same]) => {
    const full = seen === task.length;
    const names = [...same.map((window) => `s${window}`), ...(full && global ? ["g"] : [])];
    if (names.length < 2) return [];
    const list = `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
    const what = full ? "full attention" : `windows of ${counted(seen, "token")}`;
    const mend = full
      ? `set score.proxy.context above ${Math.max(...same)}, or train on longer sequences`
      : "train on longer sequences, or search windows that differ more";
    return [
      `task ${task.name} cannot tell ${list} apart: in its sequences of ${counted(task.length, "token")} all of them are ${what}. ` +
        `To tell them apart: ${mend}`,
    ];
  });
}

/** One sentence for each task and set of mixers that its proxies train as the same; none where all differ. */
export function windowNotices(mixers: readonly Mixer[], tasks: readonly WindowedTask[]): readonly string[] {
  const windows = [...new Set(mixers.flatMap((mixer) => (mixer.op === "swa" ? [mixer.window] : [])))];
  const global = mixers.some((mixer) => formatMixer(mixer).startsWith("g"));
  return tasks.flatMap((task) =>
    noticesOf(
      windows.sort((a, b) => a - b),
      global,
      task,
    ),
  );
}
