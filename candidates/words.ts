// Counted things in prose: "1 thread", "2 threads".

/** `one` with its number, in the plural (its own, where adding an s does not make it) unless there is exactly one. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
