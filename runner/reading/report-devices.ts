// The devices of a sweep for its report: their state while it measured and, on request, their present state.
import { partsEver } from "../../profilers/identity.ts";
import { threadsOn } from "../../profilers/probe-result.ts";
import type { ReportDevice, ReportHealth } from "../../reports/report-model.ts";
import { deviceNamed } from "../farm/known.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";

export interface DeviceOptions {
  /** Include the present state of the devices. */
  readonly health?: boolean;
  /** Include the conditions of the measurements. */
  readonly conditions?: boolean;
}

function healthOf(store: Store, device: string): ReportHealth {
  const { state, reason, queued, recentFaults, lastFault, temperatureC } = store.health.deviceHealth(device);
  const last = lastFault === null ? null : `${lastFault.cause}: ${lastFault.reason}`;
  return { state, reason, queued, recentFaults, lastFault: last, temperatureC };
}

/** Returns the devices of a sweep; devices that were never probed are left out. */
export function reportDevices(
  store: Store,
  { id: sweepId, config, identity }: Pick<Sweep, "id" | "config" | "identity">,
  { health = false, conditions = false }: DeviceOptions,
): readonly ReportDevice[] {
  // Imported trials have no measurements here; their identity says whether an emulator was used.
  const parts = identity === null ? [] : partsEver(identity);
  const emulated = new Set([
    ...store.history.emulatedDevices(sweepId, config.measure.devices),
    ...parts.flatMap((part) => (part.emulated ? [part.of] : [])),
  ]);
  const measuredUnder = conditions ? store.history.conditions(sweepId) : undefined;
  return config.measure.devices.flatMap((name): ReportDevice[] => {
    // The last probe of this sweep. A device that was enrolled again since has another one.
    const measured = store.history.probes(sweepId, name).at(-1);
    const probe = measured ?? store.devices.lastProbe(name);
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
        threads: config.measure.threads || (measured?.threads ?? threadsOn(result, device?.threads ?? 0)),
        memoryBytes: result.memoryBytes,
        emulated:
          emulated.has(name) || result.emulated || (measured === undefined && device?.emulator !== undefined),
        agentSha256,
        ...(health && { health: healthOf(store, name) }),
        ...(measuredUnder?.has(name) && { conditions: measuredUnder.get(name) }),
      },
    ];
  });
}

/** Returns the compiler of each device's agent, as stated by the agent. */
export function compilersOf(store: Store, { id, config }: Sweep): Readonly<Record<string, string>> {
  const probed = config.measure.devices.map((name) => {
    const probe = store.history.probes(id, name).at(-1) ?? store.devices.lastProbe(name);
    return [name, probe?.result.compiler] as const;
  });
  return Object.fromEntries(
    probed.flatMap(([name, compiler]) => (compiler ? [[`agent on ${name}`, compiler]] : [])),
  );
}
