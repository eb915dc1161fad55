// The change between two JSON values, and its application to the older one, so that a live page receives
// little data. Equal parts stay the same object.

export type Patch =
  /** The new value. */
  | { readonly is: unknown }
  /** An object: changes of its members, and the names of removed members. */
  | { readonly of: Readonly<Record<string, Patch>>; readonly gone?: readonly string[] }
  /** An array with an equal beginning: changes by index, and the items appended. */
  | { readonly at: readonly (readonly [number, Patch])[]; readonly more?: readonly unknown[] }
  /** An array with other members from an index on: number of removed items, and the items inserted there. */
  | { readonly from: number; readonly cut: number; readonly put: readonly unknown[] };

/** Up to this number, changed places are listed one by one without looking for a shorter form. */
const FEW = 8;

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/**
 * Returns the change from one value to the other; undefined if there is none. An undefined member counts as
 * absent.
 */
export function difference(before: unknown, after: unknown): Patch | undefined {
  if (before === after) return undefined;
  if (!isObject(before) || !isObject(after) || Array.isArray(before) !== Array.isArray(after))
    return { is: after };
  if (Array.isArray(before)) return ofArrays(before, after as unknown[]);
  const [old, now] = [before as Json, after as Json];
  const of: Record<string, Patch> = {};
  let changed = false;
  for (const key in now) {
    if (now[key] === undefined) continue;
    const patch = old[key] === undefined ? { is: now[key] } : difference(old[key], now[key]);
    if (patch === undefined) continue;
    of[key] = patch;
    changed = true;
  }
  const gone = Object.keys(old).filter((key) => old[key] !== undefined && now[key] === undefined);
  if (gone.length > 0) return { of, gone };
  return changed ? { of } : undefined;
}

/** Estimates the length of a value as text. */
function weight(value: unknown): number {
  if (!isObject(value)) return 1;
  let sum = 1;
  for (const key in value) sum += weight((value as Json)[key]);
  return sum;
}

function ofArrays(before: readonly unknown[], after: readonly unknown[]): Patch | undefined {
  const common = Math.min(before.length, after.length);
  const at: [number, Patch][] = [];
  for (let n = 0; n < common; n++) {
    const patch = difference(before[n], after[n]);
    if (patch !== undefined) at.push([n, patch]);
  }
  if (at.length === 0 && before.length === after.length) return undefined;
  const more = after.slice(before.length);
  const byPlace: Patch | null =
    after.length < before.length ? null : { at, ...(more.length > 0 && { more }) };
  if (byPlace !== null && at.length <= FEW) return byPlace;
  // An insertion or removal in the middle leaves the rest equal.
  const from = at[0]?.[0] ?? common;
  const sameEnd = (end: number): boolean =>
    difference(before[before.length - 1 - end], after[after.length - 1 - end]) === undefined;
  let end = 0;
  while (end < common - from && sameEnd(end)) end++;
  const spliced = { from, cut: before.length - from - end, put: after.slice(from, after.length - end) };
  return byPlace !== null && weight(byPlace) <= weight(spliced) ? byPlace : spliced;
}

/** Returns the newer value. `patch` must be the result of `difference` for this `before`. */
export function patched(before: unknown, patch: Patch): unknown {
  if ("is" in patch) return patch.is;
  if ("from" in patch) {
    const items = before as readonly unknown[];
    return [...items.slice(0, patch.from), ...patch.put, ...items.slice(patch.from + patch.cut)];
  }
  if ("at" in patch) {
    const items = [...(before as readonly unknown[]), ...(patch.more ?? [])];
    for (const [n, change] of patch.at) items[n] = patched(items[n], change);
    return items;
  }
  const gone = new Set(patch.gone);
  const members = new Map(Object.entries(before as Json).filter(([key]) => !gone.has(key)));
  for (const [key, change] of Object.entries(patch.of)) members.set(key, patched(members.get(key), change));
  return Object.fromEntries(members);
}
