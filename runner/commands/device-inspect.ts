// Shared by `device add` and `device probe`: starts the agent, probes, finds the best placement, prints the
// card and the line for authorized_keys.

import { InvalidInputError } from "../../candidates/errors.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { counted } from "../../candidates/words.ts";
import { PLACEMENT_LAYOUT } from "../../profilers/placement.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { tune } from "../agent/tune.ts";
import { publicKeyLine } from "../devices/credentials.ts";
import { type DeviceRecord, placementOf, profileOf } from "../devices/device-record.ts";
import { serveCommand } from "../devices/ssh-transport.ts";
import { runSentinel } from "../farm/measurement/sentinel.ts";
import { baselineContent } from "../farm/sweep-identity.ts";
import type { Store } from "../store/store.ts";
import { withWorker } from "../sweep/solo.ts";
import { interruptSignal, print, printEither, say } from "./common.ts";
import { deviceCard, visible } from "./device-card.ts";

export interface Enrolled {
  readonly device: DeviceRecord;
  readonly probe: ProbeResult;
  readonly agentSha256: string;
  readonly programSha256: string;
}

export const authorizedKeyOption = {
  type: "boolean",
  default: false,
  describe:
    "print a line for the device's ~/.ssh/authorized_keys that allows the key to start the agent and nothing else",
} as const;

interface InspectOptions {
  readonly tune: boolean;
  /** Check the agent's arithmetic, and take the calibration run that later ones are compared with. */
  readonly baseline: boolean;
  /** Stores the finished record, before its probe is stored. Returns the record in its stored form. */
  readonly keep: (device: DeviceRecord, probe: ProbeResult) => DeviceRecord;
}

/**
 * Starts an agent on a device, probes it, and searches the best placement if asked. Stores nothing unless
 * every step succeeded.
 */
export function inspect(store: Store, device: DeviceRecord, options: InspectOptions): Promise<Enrolled> {
  const signal = interruptSignal();
  return withWorker(
    store,
    device,
    signal,
    async (worker) => {
      const { session, probe, agentSha256, programSha256 } = await worker.open();
      const { runtime } = worker;
      const { tolerance } = profileOf(device).threads;
      const onTry = (done: number, total: number): void => {
        if (done === 0) say(`timing ${counted(total, "placement of threads", "placements of threads")}`);
      };
      const model = runtime.lower(parseNotation(PLACEMENT_LAYOUT), { quantization: "q4_0", seed: 1 });
      const placement =
        options.tune && !worker.emulated
          ? await worker.exclusively(() => tune(session, probe, { model, tolerance, signal, onTry }))
          : null;
      const tuned = (
        placement === null
          ? device
          : { ...device, placement: { best: placement.best, tried: [...placement.tried] } }
      ) as DeviceRecord;
      const sentinel =
        options.baseline && !worker.emulated
          ? await worker.exclusively(async () => {
              const context = { runtime, session, placement: placementOf(tuned), isa: "auto", signal };
              await runtime.verify(context);
              return runSentinel(context);
            })
          : null;
      const kept = options.keep(tuned, probe);
      store.devices.putProbe(device.name, agentSha256, probe);
      if (sentinel !== null) {
        const seen = { device: kept, probe, emulated: worker.emulated, agentSha256 };
        const content = baselineContent(seen, { threads: 0 }, probe.isa);
        store.devices.putSentinelBaseline(device.name, content, sentinel);
      }
      return { device: kept, probe, agentSha256, programSha256 };
    },
    { evenQuarantined: true },
  );
}

/** Returns the line for the login's key that allows it one thing: to serve as a confined agent. */
async function authorizedKey({ device, programSha256 }: Enrolled): Promise<string> {
  if (device.transport !== "ssh")
    throw new InvalidInputError("usage", "only a device reached over SSH has authorized keys");
  const command = serveCommand(programSha256, { emulator: device.emulator, confined: true });
  return `command="${command}",restrict ${await publicKeyLine(device)}`;
}

/**
 * Prints the card of a device and, on request, its line for authorized_keys.
 * @throws InvalidInputError (`usage`) when that line is requested for a local device.
 */
export async function printEnrolled(
  enrolled: Enrolled,
  { json, printAuthorizedKey }: { readonly json: boolean; readonly printAuthorizedKey: boolean },
): Promise<void> {
  const { device, probe, agentSha256 } = enrolled;
  const line = printAuthorizedKey ? await authorizedKey(enrolled) : null;
  const data = {
    device: visible(device),
    probe,
    agentSha256,
    ...(line === null ? {} : { authorizedKey: line }),
  };
  printEither(json, data, () => deviceCard(device, probe));
  if (json || line === null) return;
  say("On the device, replace this key's line in ~/.ssh/authorized_keys with:");
  print(line);
}
