// Kinds of values in an agent's lines, each with its bounds.
import { z } from "zod";

/** Longest answer line accepted from an agent, in bytes. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export const count = z.number().int().nonnegative();
export const rate = z.number().nonnegative();
export const milliseconds = z.number().nonnegative();
/** Text from a device: bounded, without control characters, so that a terminal can show it safely. */
export const text = z
  .string()
  .max(4096)
  .transform((s) => sanitise(s));
export const hex = z
  .string()
  .max(128)
  .regex(/^[0-9a-f]+$/);

/**
 * Returns text with control characters (C0, DEL, C1), bidirectional overrides and line separators replaced by
 * `?`.
 */
export function sanitise(s: string): string {
  return s.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}
