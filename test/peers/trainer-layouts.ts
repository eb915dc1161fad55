// The layouts of compare:trainer: options of layers one by one, and mixtures in which every two mixers occur
// together.
import { parseNotation } from "../../candidates/notation.ts";
import { mixers } from "../../candidates/ops/operator-registry.ts";

const OPTIONS = [
  "d32 f64 h2/1x16 : c3 g c3",
  "d48 f80 h3/1x16 : c5 s7 c2 g",
  "d40 f56 h2/2x20 : g c3",
  "d32 f64 : c2 c3 c8",
  "d32 f64 h2/2x16 : g g g",
  "d32 f64 h4/1x8 : g c4 g",
  "d64 f96 h4/2x16 : c3 c3 g c3 g",
  "d32 f48 h2/1x16 : s2 s16 s33",
  "d24 f40 h2/1x12 : s5 c7",
  "d16 f32 h1/1x16 : 4[c3 g]",
  "d64 f200 h2/1x32 : c3 s9 g",
  "d32 f64 h1/1x32 : g(1/1x32n) c3",
  "d32 f64 h4/2x16or6 n2 : c7 g s9(3/1x10o) g(2/1x16nr0)",
  "d32 f64 h4/2x16or6 n2 : c7 g s9(4/2x16ot10000) c7",
  "d32 fmoe(4/2x24) h2/1x16 : c3~48 g c3",
  "d24 f40 h2/1x12 : c3~0 g~moe(3/3x20) c2~moe(6/2x16)",
];
/** Without experts: a rounding may choose another one, in any trainer. OPTIONS have them. */
const HEADERS = ["d32 f48 h4/2x16", "d32 f64 h4/2x16n", "d32 f48 h4/2x16or6 n2"] as const;
/** Mixers of a mixture. */
const TOGETHER = 5;

const pair = (a: string, b: string): string => [a, b].sort().join(" ");

/** Returns the pairs of different names. */
export const pairsOf = (names: readonly string[]): readonly string[] =>
  names.flatMap((a, index) => names.slice(index + 1).map((b) => pair(a, b)));

/** Returns groups of names in which every two names meet. Each name is the one that brings most new pairs. */
function meetings(names: readonly string[]): readonly (readonly string[])[] {
  const left = new Set(pairsOf(names));
  const groups: string[][] = [];
  for (const first of left) {
    const group = first.split(" ");
    const brings = (name: string): number => group.filter((other) => left.has(pair(name, other))).length;
    while (group.length < Math.min(TOGETHER, names.length)) {
      const others = names.filter((name) => !group.includes(name));
      group.push(others.reduce((best, name) => (brings(name) > brings(best) ? name : best)));
    }
    for (const met of pairsOf(group)) left.delete(met);
    groups.push(group);
  }
  return groups;
}

/** Returns layouts of several mixers each. They use the examples of each mixer in turn, as far as these stand alone. */
function mixed(): readonly string[] {
  const alone = (header: string, token: string): boolean => {
    try {
      return parseNotation(`v64 ${header} : ${token}`).layers.length === 1;
    } catch {
      return false;
    }
  };
  const uses = new Map<string, number>();
  return meetings(mixers.map(({ name }) => name)).map((group, index) => {
    const header = HEADERS[index % HEADERS.length]!;
    const tokens = group.map((name) => {
      const { examples } = mixers.find((mixer) => mixer.name === name)!.notation;
      const fitting = examples.filter((token) => alone(header, token));
      const use = uses.get(name) ?? 0;
      uses.set(name, use + 1);
      return fitting[use % fitting.length]!;
    });
    return `${header} : ${tokens.join(" ")}`;
  });
}

/** Layouts in which every two mixers occur together, in notation without the vocabulary. */
export const mixtures: readonly string[] = mixed();
/** All layouts. */
export const trainerLayouts: readonly string[] = [...OPTIONS, ...mixtures];
