// The order of layers in a notation, and which of them share weights. `2[c3 g]` writes layers twice, each
// with its own weights. `2*[c3 g]` and `2*c3` apply the same layers twice, and store them once. `A=c3` names
// a layer, and a later `A` applies it again. notation.ts reads and writes the layers themselves.
import { InvalidInputError } from "./errors.ts";
import { MAX_LAYERS } from "./layout.ts";

/** A layer as written, and the index of the earlier layer whose weights it applies. */
interface Placed {
  readonly token: string;
  readonly weightsOf?: number;
}

const bad = (message: string): InvalidInputError => new InvalidInputError("bad-notation", message);

/** Groups: count, `*` if the layers are stored once. */
const OPENING = /^(\d+)(\*?)\[$/;
/** Groups: count, layer. */
const REPEATED = /^(\d+)\*(.+)$/;
/** Groups: name, layer. Tokens of mixers begin with small letters. */
const NAMED = /^([A-Z]+)=(.+)$/;
const NAME = /^[A-Z]+$/;

/** Appends `layers` `count` times: copies, or further applications of the first time if `shared`. */
function append(to: Placed[], layers: readonly Placed[], count: number, shared: boolean): void {
  if (to.length + count * layers.length > MAX_LAYERS) throw bad(`more than ${MAX_LAYERS} layers`);
  const first = to.length;
  for (let n = 0; n < count; n++) {
    const start = shared ? first : to.length;
    for (const [index, { token, weightsOf }] of layers.entries()) {
      const owner = weightsOf ?? (shared && n > 0 ? index : undefined);
      to.push(owner === undefined ? { token } : { token, weightsOf: start + owner });
    }
  }
}

/** Replaces names by the layers that they stand for. A name means the last layer that was given it. */
function withoutNames(layers: readonly Placed[]): readonly Placed[] {
  const owners = new Map<string, number>();
  const out: Placed[] = [];
  for (const [index, layer] of layers.entries()) {
    const [, name, token] = NAMED.exec(layer.token) ?? [];
    const owner = owners.get(layer.token);
    if (name !== undefined) {
      owners.set(name, layer.weightsOf ?? index);
      out.push({ ...layer, token: token! });
    } else if (owner !== undefined) {
      out.push({ token: out[owner]!.token, weightsOf: owner });
    } else if (NAME.test(layer.token)) {
      throw bad(`no layer before "${layer.token}" has this name; name one, e.g. ${layer.token}=c3`);
    } else {
      out.push(layer);
    }
  }
  return out;
}

/**
 * Reads the layers of a notation in order, one item for each application. White space separates tokens;
 * groups nest. Throws InvalidInputError (`bad-notation`).
 */
export function expand(text: string): readonly Placed[] {
  const tokens = text.match(/\d+\*?\[|\]|[^\s[\]]+(?=\s|\]|$)/g) ?? [];
  if (tokens.join("") !== text.replace(/\s+/g, "")) throw bad(`"${text.trim()}" has a misplaced bracket`);
  const whole: Placed[] = [];
  const open: { count: number; shared: boolean; layers: Placed[] }[] = [];
  for (const token of tokens) {
    const opening = OPENING.exec(token);
    const repeated = REPEATED.exec(token);
    if (opening) {
      open.push({ count: Number(opening[1]), shared: opening[2] !== "", layers: [] });
      continue;
    }
    const closed = token === "]" ? open.pop() : undefined;
    const to = open.at(-1)?.layers ?? whole;
    if (closed !== undefined) append(to, closed.layers, closed.count, closed.shared);
    else if (token === "]") throw bad("a ] without its [");
    else if (repeated) append(to, [{ token: repeated[2]! }], Number(repeated[1]), true);
    else append(to, [{ token }], 1, false);
  }
  if (open.length > 0) throw bad("a [ without its ]");
  return withoutNames(whole);
}

/** A, B, ..., Z, AA, AB, ... */
function nameOf(n: number): string {
  const letter = String.fromCharCode(65 + (n % 26));
  return n < 26 ? letter : nameOf(Math.floor(n / 26) - 1) + letter;
}

/**
 * A stretch of layers that is applied `count` times, as long as possible. `count` 1: no such stretch begins
 * here.
 */
function stretchAt(sources: readonly number[], from: number, to: number): { length: number; count: number } {
  let best = { length: 1, count: 1 };
  for (let length = 1; 2 * length <= to - from; length++) {
    const inside = sources.slice(from, from + length).every((source) => source >= from);
    if (!inside) break;
    const again = (layer: number): boolean => sources[layer] === sources[from + ((layer - from) % length)];
    let end = from + length;
    while (end < to && again(end)) end++;
    const count = Math.floor((end - from) / length);
    if (count > 1 && count * length > best.count * best.length) best = { length, count };
  }
  return best;
}

/**
 * Writes layers in order. `sources[i]` is the layer whose weights layer i applies, i if its own. Groups are
 * written where they fit, names elsewhere.
 */
export function contract(tokens: readonly string[], sources: readonly number[]): string {
  const names = new Map<number, string>();
  type Part = () => string;
  const joined = (parts: readonly Part[]): string => parts.map((part) => part()).join(" ");
  // Texts are put together at the end, because only a later layer shows that a layer needs a name.
  const write = (from: number, to: number): readonly Part[] => {
    const parts: Part[] = [];
    let at = from;
    while (at < to) {
      const { length, count } = stretchAt(sources, at, to);
      const [layer, source] = [at, sources[at]!];
      if (count > 1) {
        const inner = write(at, at + length);
        parts.push(() => `${count}*${length > 1 ? `[${joined(inner)}]` : joined(inner)}`);
      } else if (source === layer) {
        parts.push(() => (names.has(layer) ? `${names.get(layer)}=${tokens[layer]}` : tokens[layer]!));
      } else {
        if (!names.has(source)) names.set(source, nameOf(names.size));
        parts.push(() => names.get(source)!);
      }
      at += length * count;
    }
    return parts;
  };
  return joined(write(0, tokens.length));
}
