// A device as text and as data: a card for people, and the record without its user's paths.
import type { CpuDescription, ProbeResult } from "../../profilers/probe-result.ts";
import { type DeviceRecord, profileOf } from "../devices/device-record.ts";
import { facts, formatBytes } from "./common.ts";

/** Returns the record without the paths of its keys and libraries. */
export function visible({ runtimePath: _folder, ...device }: DeviceRecord) {
  if (device.transport === "local") return device;
  const { identityFile: _path, keys: _sources, jumps, ...rest } = device;
  return {
    ...rest,
    ...(jumps === undefined
      ? {}
      : { jumps: jumps.map(({ identityFile: _its, keys: _theirs, ...jump }) => jump) }),
  };
}

const address = ({ user, host, port }: { user: string; host: string; port?: number | undefined }): string =>
  `${user}@${host}:${port ?? 22}`;

/**
 * Returns `4 x 3187 MHz, 4 x 2016 MHz`, the fastest first; empty if clocks are not readable and all cores are
 * alike.
 */
function clusters(cpus: readonly CpuDescription[]): string {
  const groups = new Map<string, number>();
  for (const { capacity, maxMhz } of cpus) {
    const label =
      maxMhz !== null ? `${Math.round(maxMhz)} MHz` : capacity !== null ? `capacity ${capacity}` : "";
    groups.set(label, (groups.get(label) ?? 0) + 1);
  }
  // Among equal cores the relative capacity says nothing; a clock still does.
  if (groups.size === 1 && cpus.every(({ maxMhz }) => maxMhz === null)) return "";
  return [...groups].map(([label, count]) => `${count} x ${label || "unknown"}`).join(", ");
}

function probeRows(probe: ProbeResult): string[][] {
  const { cpus = [] } = probe;
  const kinds = clusters(cpus);
  const siblings = cpus.length - new Set(cpus.map(({ core }) => core)).size;
  const sensor = (value: number | null, unit: string, source: string | null | undefined): string =>
    value === null ? "not readable" : `${Math.round(value * 10) / 10} ${unit}${source ? ` (${source})` : ""}`;
  return [
    ["processor", `${probe.cpuModel}, ${probe.allowedCpus.length} of ${probe.cores} cores`],
    ...(kinds === "" ? [] : [["clusters", `${kinds}${siblings > 0 ? ", two threads a core" : ""}`]]),
    ["kernels", `${probe.isas.join(", ")} (used: ${probe.isa})`],
    ...probe.kernelRates.map(({ isa, prefillGops, decodeGops }) => [
      `  ${isa}`,
      `${prefillGops.toFixed(0)} GOPS in prefill, ${decodeGops.toFixed(0)} in decode${isa === probe.isa ? " (used)" : ""}`,
    ]),
    ["system", `${probe.os} ${probe.kernel}, pages of ${probe.pageBytes / 1024} KiB`],
    ["memory", `${formatBytes(probe.memoryBytes)}, ${formatBytes(probe.availableBytes)} available`],
    ["memory bandwidth", `${probe.readBandwidthGBs.toFixed(1)} GB/s read`],
    ["arithmetic", `${probe.int8Gops.toFixed(0)} int8 GOPS, ${probe.fp32Gflops.toFixed(0)} fp32 GFLOPS`],
    ["temperature", sensor(probe.temperatureC, "C", probe.temperatureSource)],
    ["frequency", sensor(probe.frequencyMhz, "MHz", probe.frequencySource)],
  ];
}

function placementRows({ threads, placement }: DeviceRecord): string[][] {
  if (threads !== undefined && threads > 0) return [["threads", `${threads} (from --threads)`]];
  if (placement === undefined) return [["threads", "one per allowed core"]];
  const { best, tried } = placement;
  const rates = `decode ${best.decodeTokensPerSecond.toFixed(1)}, prefill ${best.prefillTokensPerSecond.toFixed(1)} tok/s`;
  return [
    [
      "threads",
      `${best.cpus.length} on cores ${best.cpus.join(",")}: ${rates}, the fastest of ${tried.length} placements`,
    ],
  ];
}

/** Returns the card of a device; `probe`: its last one, or null. */
export function deviceCard(device: DeviceRecord, probe: ProbeResult | null): string {
  const emulated = device.emulator !== undefined || probe?.emulated === true;
  const profile = profileOf(device);
  const rows: string[][] = [
    ["reached by", device.transport === "ssh" ? `ssh ${address(device)}` : "this machine"],
    ...(device.transport === "ssh" ? (device.jumps ?? []).map((jump) => ["jump host", address(jump)]) : []),
    ["profile", `${profile.name} (${profile.description})`],
    ["target", device.target],
    ...(device.machine === undefined ? [] : [["host", `that of ${device.machine}: the two take turns`]]),
    ...(device.runtime === undefined ? [] : [["runtime", device.runtime]]),
    ...(emulated ? [["emulated", "yes: its times say nothing about hardware"]] : []),
    ...(device.transport === "ssh" ? [["host key", device.hostKey]] : []),
    ...(probe === null ? [] : probeRows(probe)),
    ...placementRows(device),
  ];
  return `${device.name}\n${facts(rows.map(([key, value]) => [`  ${key!}`, value!]))}`;
}
