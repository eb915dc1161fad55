// The devices of a sweep as a report shows them: as they were while it measured, and, where asked for, as they are now.
import { partsEver } from "../../profilers/identity.ts";
import { threadsOn } from "../../profilers/probe-result.ts";
import type { ReportDevice, ReportHealth } from "../../reports/model.ts";
import { deviceNamed } from "../farm/known.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";

export interface DeviceOptions {
  /** With the state of the devices now. */
  readonly health?: boolean;
  /** With what the devices measured under. */
  readonly conditions?: boolean;
}

function healthOf(store: Store, device: string): ReportHealth {
  const { state, reason, queued, recentFaults, lastFault, temperatureC } = store.health.deviceHealth(device);
  const last = lastFault === null ? null : `${lastFault.cause}: ${lastFault.reason}`;
  return { state, reason, queued, recentFaults, lastFault: last, temperatureC };
}

export function reportDevices(
  store: Store,
  { id: sweepId, config, identity }: Pick<Sweep, "id" | "config" | "identity">,
  { health = false, conditions = false }: DeviceOptions,
): readonly ReportDevice[] {
  // Imported trials have no measurements here; what they brought says whether an emulator took them.
  const parts = identity === null ? [] : partsEver(identity);
  const emulated = new Set([
    ...store.history.emulatedDevices(sweepId, config.measure.devices),
    ...parts.flatMap((part) => (part.emulated ? [part.of] : [])),
  ]);
  const measuredUnder = conditions ? store.history.conditions(sweepId) : undefined;
  return config.measure.devices.flatMap((name): ReportDevice[] => {
    // As it was measured with here; a device that was enrolled again since has another probe.
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

/** What built each device's agent, as the agent itself says. */
export function compilersOf(store: Store, { id, config }: Sweep): Readonly<Record<string, string>> {
  const probed = config.measure.devices.map((name) => {
    const probe = store.history.probes(id, name).at(-1) ?? store.devices.lastProbe(name);
    return [name, probe?.result.compiler] as const;
  });
  return Object.fromEntries(
    probed.flatMap(([name, compiler]) => (compiler ? [[`agent on ${name}`, compiler]] : [])),
  );
}
