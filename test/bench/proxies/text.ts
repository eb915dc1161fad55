// Real text for the parts that need language modelling: the documentation inside node_modules, byte by byte,
// as in the quickstart.
import { sweepSchema } from "../../../runner/config/config.ts";
import { type PreparedTask, prepareTask } from "../../../runner/training/training-data.ts";

export const textTask = (): Promise<PreparedTask> =>
  prepareTask(
    "text",
    sweepSchema.shape.score.unwrap().shape.tasks.valueType.parse({
      task: "bytes",
      options: { corpus: ["node_modules/*/README.md"], length: 128 },
    }),
    1,
    ".",
  );
