// Every command, in the order help lists them.
import type { CommandModule } from "yargs";
import { auditCommand } from "./audit.ts";
import { compileCommand } from "./compile.ts";
import { deviceCommand } from "./device.ts";
import { diffCommand } from "./diff.ts";
import { doctorCommand } from "./doctor.ts";
import { exportCommand } from "./export.ts";
import { findingsCommand } from "./findings.ts";
import { frontCommand } from "./front.ts";
import { measureCommand } from "./measure.ts";
import { replayCommand } from "./replay.ts";
import { reportCommand } from "./report.ts";
import { reproduceCommand } from "./reproduce.ts";
import { scoreCommand } from "./score.ts";
import { selectCommand } from "./select.ts";
import { showCommand } from "./show.ts";
import { sweepCommand } from "./sweep.ts";
import { sweepsCommand } from "./sweeps.ts";
import { uiCommand } from "./ui.ts";

export const commands = [
  sweepCommand,
  sweepsCommand,
  frontCommand,
  selectCommand,
  findingsCommand,
  reportCommand,
  replayCommand,
  reproduceCommand,
  uiCommand,
  diffCommand,
  exportCommand,
  showCommand,
  compileCommand,
  measureCommand,
  scoreCommand,
  auditCommand,
  deviceCommand,
  doctorCommand,
] as unknown as CommandModule[];
