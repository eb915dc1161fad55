// Every command, in the order help lists them.
import type { CommandModule } from "yargs";
import { auditCommand } from "./audit-command.ts";
import { compileCommand } from "./compile-command.ts";
import { deviceCommand } from "./device-command.ts";
import { diffCommand } from "./diff-command.ts";
import { doctorCommand } from "./doctor-command.ts";
import { exportCommand } from "./export-command.ts";
import { findingsCommand } from "./findings-command.ts";
import { frontCommand } from "./front-command.ts";
import { measureCommand } from "./measure-command.ts";
import { replayCommand } from "./replay-command.ts";
import { reportCommand } from "./report-command.ts";
import { reproduceCommand } from "./reproduce-command.ts";
import { scoreCommand } from "./score-command.ts";
import { selectCommand } from "./select-command.ts";
import { showCommand } from "./show-command.ts";
import { sweepCommand } from "./sweep-command.ts";
import { sweepsCommand } from "./sweeps-command.ts";
import { uiCommand } from "./ui-command.ts";

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
