// The fault matrix: every failure of a device, its link, its agent or its coordinator is injected into a
// sweep over real sshd processes. Each row states the required outcome. The database must then equal that of
// a run without the fault.
import { describe } from "vitest";
import { sshdProblem } from "../support/needs.ts";
import { faultMatrix } from "./matrix.ts";
import { agentRows } from "./rows/agent.ts";
import { candidateRows } from "./rows/candidate.ts";
import { coordinatorRows } from "./rows/coordinator.ts";
import { deviceRows } from "./rows/device.ts";
import { linkRows } from "./rows/link.ts";
import { ownershipRows } from "./rows/ownership.ts";
import { shellRows } from "./rows/shell.ts";
import { startRows } from "./rows/start.ts";
import { throttledRows } from "./rows/throttled.ts";

describe.skipIf(sshdProblem() !== null)("the fault matrix", () => {
  const matrix = faultMatrix();
  // The longest first; the others run beside it.
  const kinds = [
    agentRows,
    linkRows,
    coordinatorRows,
    shellRows,
    ownershipRows,
    startRows,
    candidateRows,
    deviceRows,
    throttledRows,
  ];
  for (const rows of kinds) rows(matrix);
});
