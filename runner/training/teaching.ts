// Provides the teacher of a distillation: a file, or a layout that is trained once and kept in the cache.
import { basename, resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Layout } from "../../candidates/layout.ts";
import type { Part } from "../../profilers/identity.ts";
import { proxyLayout, proxySchema } from "../../profilers/proxy.ts";
import { partOf, publishSealed, unbroken } from "../base/durable-files.ts";
import { cacheFolder, cachePath } from "../base/paths.ts";
import type { ScoreConfig } from "../config/config-score.ts";
import { layoutFrom } from "../config/layouts.ts";
import { isGguf } from "../config/model-files.ts";
import { type Asked, type Body, bodyOf, hashOf, storedForm } from "./train-request.ts";
import { isTeacherFile, type PreparedTask, teacherDigest, teacherPart } from "./training-data.ts";

/** The part of a request that requests distillation, and the digest of the teacher. */
export interface Teaching {
  readonly body: Partial<Pick<Body, "objective" | "teacher">>;
  readonly sha256?: string;
}

interface Lesson {
  readonly task: PreparedTask;
  readonly seed: number;
  readonly config: ScoreConfig;
  /** Trains a teacher's layout and writes its weights. */
  readonly train: (layout: Layout, asked: Asked) => Promise<unknown>;
  /** Called with the teacher's content before anything learns from it; may throw to refuse it. */
  readonly onTeacher: (teacher: Part) => void;
}

/**
 * Returns the distillation part of a run's request; an empty one without distillation.
 * @throws InvalidInputError (`no-teacher`).
 */
export async function teachingOf({ task, seed, config, train, onTeacher }: Lesson): Promise<Teaching> {
  const { training } = task.config;
  if (training.distill === undefined) return { body: {} };
  const { teacher, teacherSteps, objective, k, temperature, mix } = training.distill;
  const body = { objective: { kind: objective, k: Math.min(k, task.vocab - 1), temperature, mix } };
  if (task.head === "pooled")
    throw new InvalidInputError("no-teacher", `task "${task.name}" has no next tokens to distil`);
  if (isTeacherFile(teacher)) {
    const path = resolve(teacher);
    const sha256 = await teacherDigest(teacher);
    onTeacher(teacherPart(task.name, sha256, basename(teacher)));
    return { body: { ...body, teacher: isGguf(teacher) ? { path } : { logits: path } }, sha256 };
  }
  const proxyConfig = proxySchema.parse({ ...config.proxy, ...task.config.proxy });
  const layout = proxyLayout(layoutFrom(teacher), proxyConfig, task);
  const steps = teacherSteps ?? training.steps;
  const rate =
    typeof training.learningRate === "number" ? training.learningRate : Math.min(...training.learningRate);
  const request = bodyOf(task, seed, config, steps, rate);
  cacheFolder("teachers");
  const path = cachePath("teachers", `${hashOf([storedForm({ body: request }), layout])}.gguf`);
  let sha256 = await unbroken(path);
  if (sha256 === null) {
    const out = partOf(path);
    await train(layout, { body: { ...request, out } });
    sha256 = await publishSealed(out, path);
  }
  onTeacher(teacherPart(`${task.name} seed ${seed}`, sha256, `trained for ${steps} steps`));
  return { body: { ...body, teacher: { path } }, sha256 };
}
