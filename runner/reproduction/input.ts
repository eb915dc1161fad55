// The input of a real study's decisions: its runs, pairs and layouts, in the form of observed.ts.
import type { StudyInput } from "./decide/decide-study.ts";
import { inputFrom } from "./observed.ts";
import type { Measured, Study } from "./study.ts";
import { coreOf, isWindowForConv } from "./study-plan.ts";

/** Returns the input of a study's decisions. */
export function inputOf(
  study: Pick<Study, "context" | "measured" | "names" | "endpoints" | "record" | "samples">,
): StudyInput {
  const { context, measured, names, endpoints, record } = study;
  const { ttft, p95, memory, qualities } = names;
  const core = new Set(coreOf(measured));
  const trained = new Set(endpoints.flatMap(({ losses }) => [...losses.keys()]));
  const layouts = measured.filter((one) => core.has(one) || trained.has(one.label));
  const timed = context.objectives.flatMap(({ name }) => (name === ttft || name === p95 ? [name] : []));
  const raw = ({ point }: Measured, name: string) => point.raw[name]!;
  const compared = [...record.pairs].map(([label, pairs]) => ({ label, pairs }));
  return inputFrom({
    endpoints,
    placements: compared.filter(({ label }) => !isWindowForConv(label)),
    window: compared.find(({ label }) => isWindowForConv(label)) ?? { label: "", pairs: [] },
    layouts,
    metrics: [
      ...[ttft, p95].map((name) => ({
        name,
        scale: "ratio" as const,
        samples: layouts.map((one) => raw(one, name)),
        history: context.history(name),
      })),
      // The peak memory of a process hardly varies, so it counts as exact.
      { name: memory, scale: "exact", samples: layouts.map((one) => raw(one, memory)) },
      ...qualities.map(({ name }) => ({
        name,
        scale: "difference" as const,
        samples: layouts.map(({ point }) => {
          const samples = study.samples(point, name);
          const value = samples.reduce((sum, one) => sum + one, 0) / samples.length;
          return { value, samples, stable: true };
        }),
      })),
    ],
    qualities,
    objectives: [...timed, memory],
    budgets: [ttft, p95, memory],
  });
}
