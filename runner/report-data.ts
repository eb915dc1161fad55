// Reads a sweep from the store into the plain data that reports/ renders.
import { type Layout, layoutId } from "../candidates/layout.ts";
import { namedLayouts, publishedNames } from "../candidates/named.ts";
import { formatPattern } from "../candidates/notation.ts";
import type { ReportData, ReportDevice, ReportTrial } from "../reports/model.ts";
import { hypervolume, referencePoint } from "../search/hypervolume.ts";
import { orient, ParetoArchive, type Vector } from "../search/pareto.ts";
import type { Objective } from "../search/strategy.ts";
import type { SweepConfig } from "./config.ts";
import { deviceNamed } from "./devices/known.ts";
import { layoutFrom } from "./layouts.ts";
import { Evidence, timelineOf } from "./report-history.ts";
import type { Store } from "./store/store.ts";
import type { Sweep } from "./store/sweeps.ts";
import type { Trial } from "./store/trials.ts";
import { resolveBudgets, resolveObjectives } from "./sweep/metric-names.ts";

const publishedIds = new Map(publishedNames.map((name) => [layoutId(namedLayouts[name]!), name]));
/** Orders of mixers that were published with both kinds of mixer, longest first. */
const publishedPatterns = [...new Set(publishedNames.map((name) => kindsOf(namedLayouts[name]!)))]
  .filter((kinds) => kinds.includes("c3") && kinds.includes("gqa"))
  .sort((a, b) => b.length - a.length);

/** Fewer layers than this begin like too many layouts. */
const MIN_PREFIX_LAYERS = 6;

function kindsOf(layout: Layout): string {
  return layout.layers.map(({ mixer }) => (mixer.op === "conv" ? `c${mixer.kernel}` : mixer.op)).join(" ");
}

/** The published layout that this one is, or whose order of mixers it has or begins with at another size; null otherwise. */
function publishedName(layout: Layout): string | null {
  const exact = publishedIds.get(layoutId(layout));
  if (exact !== undefined) return exact;
  const kinds = kindsOf(layout);
  const depth = layout.layers.length;
  const pattern = publishedPatterns.find((other) => `${other} `.startsWith(`${kinds} `));
  if (pattern === undefined || depth < MIN_PREFIX_LAYERS || !kinds.includes("gqa")) return null;
  return pattern === kinds ? "LFM2 pattern" : `LFM2 pattern, first ${depth} layers`;
}

function reportDevices(store: Store, config: SweepConfig): readonly ReportDevice[] {
  return config.measure.devices.flatMap((name): ReportDevice[] => {
    const probe = store.devices.lastProbe(name);
    if (probe === null) return [];
    const { result, agentSha256 } = probe;
    const device = store.devices.find(name) ?? (name === "local" ? deviceNamed(store, name) : null);
    return [
      {
        name,
        transport: device?.transport ?? "removed",
        arch: result.arch,
        cpu: result.cpuModel,
        isa: result.isa,
        threads: config.measure.threads || (device?.threads ?? result.allowedCpus.length),
        memoryBytes: result.memoryBytes,
        emulated: result.emulated || device?.emulator !== undefined,
        agentSha256,
      },
    ];
  });
}

/** What built each device's agent, as the agent itself says. */
function compilersOf(store: Store, config: SweepConfig): Readonly<Record<string, string>> {
  const probed = config.measure.devices.map(
    (name) => [name, store.devices.lastProbe(name)?.result.compiler] as const,
  );
  return Object.fromEntries(
    probed.flatMap(([name, compiler]) => (compiler ? [[`agent on ${name}`, compiler]] : [])),
  );
}

/** The front over what is complete, and hypervolume after each finished trial under one reference point. */
function frontOf(trials: readonly ReportTrial[], objectives: readonly Objective[]) {
  const points = trials.flatMap((trial) => {
    if (trial.state !== "complete") return [];
    const values = Object.fromEntries(
      Object.entries(trial.metrics).map(([name, { value }]) => [name, value]),
    );
    return [{ number: trial.number, vector: orient(values, objectives) }];
  });
  const archive = new ParetoArchive<number>();
  if (points.length === 0) return { numbers: new Set<number>(), reference: null, history: [], spans: [] };
  const reference: Vector = referencePoint(points.map(({ vector }) => vector));
  let volume = 0;
  const spans: { trial: number; from: number; until: number | null }[] = [];
  const history = points.map(({ number, vector }) => {
    if (archive.insert(vector, number)) {
      const kept = new Set(archive.entries.map((entry) => entry.item));
      for (const span of spans) if (span.until === null && !kept.has(span.trial)) span.until = number;
      spans.push({ trial: number, from: number, until: null });
      volume = hypervolume(
        archive.entries.map((entry) => entry.vector),
        reference,
      );
    }
    return { trial: number, value: volume };
  });
  const oriented = reference.map((value, m) => (objectives[m]!.direction === "min" ? value : -value));
  return {
    numbers: new Set(archive.entries.map((entry) => entry.item)),
    reference: oriented,
    history,
    spans,
  };
}

/** Ids of the layouts that the configuration itself proposes; a file that is gone since says nothing. */
function declaredIds(config: SweepConfig): ReadonlySet<string> {
  return new Set(
    (config.space.include ?? []).flatMap((text) => {
      try {
        return [layoutId(layoutFrom(text))];
      } catch {
        return [];
      }
    }),
  );
}

const inWords = {
  declared: "declared in the space",
  random: "drawn at random",
  enumerated: "next in the walk over the space",
  mutation: "varied",
  crossover: "bred from two parents",
  imported: "imported",
} as const;

/** Parents, operator, and a line for people. Databases older than origins know of neither. */
function lineageOf(
  trial: Trial,
  declared: ReadonlySet<string>,
  config: SweepConfig,
): Pick<ReportTrial, "origin" | "parents" | "operator"> {
  const kind = trial.origin?.kind ?? (declared.has(trial.candidateId) ? "declared" : null);
  const proposed = `by ${config.search.strategy}, batch ${trial.batch + 1}`;
  if (kind === "declared" || kind === "imported") return { origin: inWords[kind] };
  if (trial.origin === null || kind === null) return { origin: `proposed ${proposed}` };
  const { parents, operator } = trial.origin;
  const done = operator === null ? "" : `: ${operator}`;
  return {
    origin: `${inWords[kind]}${done} (${proposed})`,
    ...(operator === null ? {} : { parents, operator }),
  };
}

/** Everything a report shows of one sweep. */
export function reportData(store: Store, sweep: Sweep): ReportData {
  const { config } = sweep;
  const objectives = resolveObjectives(config);
  const metrics = store.trials.metricsOfSweep(sweep.id);
  const all = store.trials.all(sweep.id);
  const jobs = store.history.ofSweep(sweep.id);
  const evidence = new Evidence(jobs);
  const running = new Set(
    jobs.flatMap(({ trialId, state }) => (state === "running" && sweep.runningPid !== null ? [trialId] : [])),
  );
  const declared = declaredIds(config);
  const plain = all.map(
    (trial): ReportTrial => ({
      number: trial.number,
      id: trial.candidateId,
      notation: trial.notation,
      pattern: formatPattern(trial.layout),
      layout: trial.layout,
      parameters: trial.parameters,
      state: trial.state === "proposed" && running.has(trial.id) ? "running" : trial.state,
      reason: trial.reason,
      onFront: false,
      published: publishedName(trial.layout),
      ...lineageOf(trial, declared, config),
      metrics: Object.fromEntries(
        (metrics.get(trial.id) ?? []).map(({ name, ...metric }) => [
          name,
          { ...metric, provenance: evidence.of(trial.id, name) },
        ]),
      ),
    }),
  );
  const front = frontOf(plain, objectives);
  return {
    sweep: sweep.name,
    createdAt: sweep.createdAt,
    edgefrontVersion: sweep.environment.edgefront ?? "unknown",
    gitCommit: sweep.environment.commit ?? null,
    objectives,
    budgets: resolveBudgets(config),
    referencePoint: front.reference,
    hypervolume: front.history,
    frontSpans: front.spans,
    trials: plain.map((trial) => ({ ...trial, onFront: front.numbers.has(trial.number) })),
    devices: reportDevices(store, config),
    timeline: timelineOf(sweep, all, jobs),
    configuration: config,
    environment: { ...sweep.environment, ...compilersOf(store, config) },
  };
}
