// Typed values of GGUF metadata, and lists of such values in file order.
import type { MetadataValue } from "./encode.ts";

/** Keys with their values, in file order. */
export type Entries = readonly (readonly [string, MetadataValue])[];

/** Returns an unsigned 32-bit integer. */
export const u32 = (value: number): MetadataValue => ({ type: "u32", value });
/** Returns a 32-bit float. */
export const f32 = (value: number): MetadataValue => ({ type: "f32", value });
/** Returns a UTF-8 string. */
export const text = (value: string): MetadataValue => ({ type: "string", value });
/** Returns an array of truth values. */
export const bools = (value: readonly boolean[]): MetadataValue => ({ type: "bool[]", value });
/** Returns an array of signed 32-bit integers. */
export const i32s = (value: readonly number[]): MetadataValue => ({ type: "i32[]", value });
