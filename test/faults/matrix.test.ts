// The fault matrix: every way a device, its link, its agent or its coordinator can fail is injected into a sweep over real sshd
// processes. Each row states what must happen, and that the database then equals that of a run without the fault.
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
  // The longest first, beside which the others run.
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
