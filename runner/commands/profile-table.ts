// The profile of a measured run as text: the time of each kind of operation, and its rate against the peaks
// that the device's probe measured.
import { mixers } from "../../candidates/ops/operator-registry.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { columns } from "./common.ts";

/** The device's best rates, with all threads and the best instruction set. */
export type Peaks = Pick<ProbeResult, "readBandwidthGBs" | "int8Gops" | "fp32Gflops">;

/** Returns the peak rates of a probe. */
export const peaksOf = ({ readBandwidthGBs, int8Gops, fp32Gflops }: ProbeResult): Peaks => ({
  readBandwidthGBs,
  int8Gops,
  fp32Gflops,
});

/** Stages that compute in F32; all others are products of quantised matrices, in int8. */
const FLOAT_STAGES: ReadonlySet<string> = new Set(mixers.flatMap(({ floatStages }) => floatStages));

/** Returns a table for each context and phase, with the slowest operations first. */
export function profileTable(result: MeasureResult, peaks: Peaks): string {
  const tables = result.contexts.flatMap(({ context, profile }) =>
    (["prefill", "decode"] as const).map((phase) => {
      const ops = (profile ?? []).filter((op) => op.phase === phase);
      const total = ops.reduce((sum, op) => sum + op.ms, 0);
      const rows = ops
        .toSorted((a, b) => b.ms - a.ms)
        .map(({ op: stage, calls, ms, bytes, flops }) => {
          const [gigabytes, gops] = [bytes / ms / 1e6, flops / ms / 1e6];
          const peak = FLOAT_STAGES.has(stage) ? peaks.fp32Gflops : peaks.int8Gops;
          return [
            stage,
            String(calls),
            ms.toFixed(2),
            percent(ms / total),
            ...(flops === 0
              ? ["", "", "", ""]
              : [
                  gigabytes.toFixed(2),
                  percent(gigabytes / peaks.readBandwidthGBs),
                  gops.toFixed(1),
                  percent(gops / peak),
                ]),
          ];
        });
      const title = `${phase}@${context}`.toUpperCase();
      const head = [title, "CALLS", "ms", "TIME", "GB/s", "of peak", "GOPS", "of peak"];
      return columns([head, ...rows], [1, 2, 3, 4, 5, 6, 7]);
    }),
  );
  const { readBandwidthGBs, int8Gops, fp32Gflops } = peaks;
  return [
    ...tables,
    `peaks measured on the device: read ${readBandwidthGBs.toFixed(1)} GB/s,\n` +
      `int8 ${int8Gops.toFixed(0)} GOPS, fp32 ${fp32Gflops.toFixed(0)} GFLOPS`,
  ].join("\n\n");
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
