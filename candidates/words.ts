// Numbers with their nouns in prose: "1 thread", "2 threads".

/** Returns a number with its noun, e.g. "2 threads". `many` is the plural where adding an s is wrong. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
