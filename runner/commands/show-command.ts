// edgefront show: a layout's shape and static costs.

import type { CommandModule } from "yargs";
import { type ParameterCounts, parameterCounts, staticCost } from "../../candidates/cost.ts";
import { architectureOf } from "../../candidates/gguf/lower.ts";
import { layoutId } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation } from "../../candidates/notation.ts";
import { traitsOf } from "../../candidates/ops/operator-registry.ts";
import { quantizations } from "../../candidates/quantization.ts";
import { runsIn, runsInText } from "../../candidates/runs-in.ts";
import { counted } from "../../candidates/words.ts";
import { formatValue } from "../../reports/format.ts";
import { layoutFrom } from "../config/layouts.ts";
import { columns, facts, formatBytes, printEither, withJson } from "./common.ts";
import { example } from "./examples.ts";

interface Args {
  layout: string;
  json: boolean;
  context: number[];
}

/** The counts as text: one number, and the others where they differ from it. */
function parametersText({ total, stored, active }: ParameterCounts): string {
  const number = (count: number): string => count.toLocaleString("en");
  const others = [
    ...(active === stored ? [] : [`${number(active)} active for a token`]),
    ...(total === stored ? [] : [`${number(total)} if no layer shared weights`]),
  ];
  return [number(stored), ...others].join("; ");
}

export const showCommand: CommandModule<object, Args> = {
  command: "show <layout>",
  describe: "Show a layout: shape, parameters, counted costs",
  builder: (yargs) =>
    withJson(yargs)
      .positional("layout", {
        type: "string",
        demandOption: true,
        describe: "name, notation, layout JSON or config.json",
      })
      .option("context", {
        type: "number",
        array: true,
        default: [1024, 4096],
        describe: "context lengths in tokens",
      })
      .example(example("$0 show lfm2-350m", "Show a published layout"))
      .example(example('$0 show "v65536 d1024 f4608 h16/8x64 : 8[c3 g]"', "Show a layout of your own"))
      .epilogue(`Named layouts: ${Object.keys(namedLayouts).join(", ")}`),
  handler: ({ layout: text, json, context }) => {
    const layout = layoutFrom(text);
    const costs = context.map((tokens) => ({
      context: tokens,
      ...Object.fromEntries(
        quantizations.map((quantization) => [
          quantization,
          staticCost(layout, { context: tokens, quantization }),
        ]),
      ),
    }));
    const sequential = layout.layers.filter(({ mixer }) => traitsOf(mixer).sequential).length;
    const q4 = (tokens: number) => staticCost(layout, { context: tokens, quantization: "q4_0" });
    const data = {
      id: layoutId(layout),
      notation: formatNotation(layout),
      architecture: architectureOf(layout),
      parameters: parameterCounts(layout),
      runsIn: runsIn(layout),
      layout,
      costs,
    };
    printEither(json, data, () =>
      [
        data.notation,
        "",
        facts([
          ["id", data.id],
          ["parameters", parametersText(data.parameters)],
          ...(sequential > 0
            ? [["prefill", `slow: ${counted(sequential, "layer")} must run token by token`] as const]
            : []),
          ...data.runsIn.map((row): [string, string] => [`runs in ${row.runtime}`, runsInText(row)]),
          ...quantizations.map((quantization): [string, string] => [
            `weights as ${quantization}`,
            formatBytes(staticCost(layout, { context: 0, quantization }).weightBytes),
          ]),
        ]),
        "",
        columns(
          [
            ["CONTEXT", "PREFILL", "DECODE/TOKEN", "BYTES/TOKEN", "KV F16", "RESIDENT"],
            ...context.map((tokens) => {
              const cost = q4(tokens);
              return [
                String(tokens),
                formatValue(cost.prefillFlops, "FLOP"),
                formatValue(cost.decodeFlops, "FLOP"),
                formatBytes(cost.decodeBytes),
                formatBytes(cost.kvBytes),
                formatBytes(cost.residentBytes),
              ];
            }),
          ],
          [0, 1, 2, 3, 4, 5],
        ),
        "",
        `Bytes with Q4_0 weights and an F16 KV cache. Counted, not measured; to measure it: edgefront measure ${text in namedLayouts ? text : "LAYOUT"}`,
      ].join("\n"),
    );
  },
};
