// Finds attention windows that a proxy cannot distinguish because its sequences are short. Such windows train
// alike and score alike. A front may then seem to show that a window costs no quality, although it was never
// tested.
import { isGlobalAttention } from "../candidates/layout.ts";
import { formatKind } from "../candidates/notation.ts";
import { type Mixer, operatorOf, partsOf, traitsOf } from "../candidates/ops/operator-registry.ts";
import { counted } from "../candidates/words.ts";
import { type ProxyConfig, proxySize } from "./proxy.ts";

export interface WindowedTask {
  readonly name: string;
  /** Length of a training sequence, in tokens. */
  readonly length: number;
  readonly proxy: ProxyConfig;
}

/** One attention mixer of each kind with its own keys and values, ordered by its reach. */
function kindsOf(mixers: readonly Mixer[]): readonly Mixer[] {
  const own = mixers
    .flatMap(partsOf)
    .filter((mixer) => traitsOf(mixer).lookup && operatorOf(mixer).kv?.(mixer)?.own !== false);
  const kinds = new Map(own.map((mixer) => [formatKind(mixer), mixer]));
  return [...kinds.values()].sort((a, b) => traitsOf(a).reach - traitsOf(b).reach);
}

/** The mixers, grouped by the number of tokens that each sees in a sequence of the proxy. */
function byProxyReach(
  mixers: readonly Mixer[],
  width: number,
  { length, proxy }: WindowedTask,
): ReadonlyMap<number, Mixer[]> {
  const groups = new Map<number, Mixer[]>();
  for (const mixer of mixers) {
    const scaled = operatorOf(mixer).scale(mixer, width, proxySize(proxy, length));
    const seen = Math.min(length, traitsOf(scaled).reach);
    groups.set(seen, [...(groups.get(seen) ?? []), mixer]);
  }
  return groups;
}

function noticesOf(mixers: readonly Mixer[], width: number, task: WindowedTask): string[] {
  return [...byProxyReach(mixers, width, task)].flatMap(([seen, same]) => {
    if (same.length < 2) return [];
    const full = seen === task.length;
    const names = same.map(formatKind);
    const list = `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
    const what = full ? "full attention" : `windows of ${counted(seen, "token")}`;
    const windows = same
      .filter((mixer) => !isGlobalAttention({ mixer }))
      .map((mixer) => traitsOf(mixer).reach);
    const mend = full
      ? `set score.proxy.context above ${Math.max(...windows)}, or train on longer sequences`
      : "train on longer sequences, or search windows that differ more";
    return [
      `task ${task.name} cannot tell ${list} apart: in its sequences of ${counted(task.length, "token")} all of them are ${what}. ` +
        `To tell them apart: ${mend}`,
    ];
  });
}

/**
 * Returns one sentence for each task and set of mixers that its proxies train alike; empty where all differ.
 * `width` is that of the models with these mixers.
 */
export function windowNotices(
  mixers: readonly Mixer[],
  width: number,
  tasks: readonly WindowedTask[],
): readonly string[] {
  const kinds = kindsOf(mixers);
  return tasks.flatMap((task) => noticesOf(kinds, width, task));
}
