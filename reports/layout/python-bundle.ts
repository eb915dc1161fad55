// Joins modules of Python into one file that holds only what an entry needs. It understands the subset of Python
// that the modules in profilers/pytorch*/ are written in: at the top level a docstring, imports on one line,
// assignments, functions and classes.

/** Imports of torch and of the standard library: all that a joined file may have. */
const ALLOWED = /^(import|from) (ctypes|json|math|os|struct|torch)\b/;

/** Sources by path, e.g. `edgefront_trainer/network.py`. */
export type PythonSources = ReadonlyMap<string, string>;

interface Statement {
  readonly text: string;
  /** Empty lines before it. */
  readonly gap: number;
}

interface Definition extends Statement {
  readonly name: string;
}

/** A name of this module that an import binds. `external`: the import's line; else the path of our module. */
interface Import {
  readonly from: string;
  readonly external: boolean;
}

interface PythonModule {
  readonly path: string;
  readonly doc: string;
  readonly imports: ReadonlyMap<string, Import>;
  readonly definitions: readonly Definition[];
}

/** A word that is no attribute, and not within a quoted name. */
const wordOf = (name: string): RegExp => new RegExp(`(?<![.\\w"'])${name}\\b(?!["'])`, "g");
const uses = (text: string, name: string): boolean => wordOf(name).test(text);

/** Returns the path of the module that `dotted` names in an import of `importer`. */
function pathOf(dotted: string, importer: string, sources: PythonSources): string {
  const [, dots, rest] = /^(\.*)(.*)$/.exec(dotted)!;
  const folders = dots === "" ? [] : importer.split("/").slice(0, -dots!.length);
  const base = [...folders, ...(rest === "" ? [] : rest!.split("."))].join("/");
  const found = [`${base}.py`, `${base}/__init__.py`].find((path) => sources.has(path));
  if (found === undefined) throw new Error(`${importer} imports ${dotted}, which is not among the sources`);
  return found;
}

/** Returns the names that an import binds. */
function importsOf(code: string, path: string, sources: PythonSources): [string, Import][] {
  const whole = /^import ([\w.]+)(?: as (\w+))?$/.exec(code);
  if (whole) return [[whole[2] ?? whole[1]!, { from: code, external: true }]];
  const parts = /^from (\S+) import \(?([\w,\s]+)\)?$/.exec(code);
  if (parts === null)
    throw new Error(`${path}: cannot read "${code}"; write import a, or from a import b, c`);
  const ours = /^(\.|edgefront_trainer\b)/.test(parts[1]!);
  const from = ours ? pathOf(parts[1]!, path, sources) : code;
  return parts[2]!.match(/\w+/g)!.map((name) => [name, { from, external: !ours }]);
}

/** Splits a module without its docstring into statements of the top level, with the comments before each. */
function statementsOf(body: string): Statement[] {
  const statements: { text: string; gap: number }[] = [];
  let open = false;
  let gap = 0;
  for (const line of body.split("\n")) {
    if (line === "") {
      gap++;
      continue;
    }
    const last = statements.at(-1);
    if (last !== undefined && (open || /^[\s)\]}]/.test(line))) last.text += "\n".repeat(gap + 1) + line;
    else statements.push({ text: line, gap });
    gap = 0;
    // A comment or a decorator belongs to the statement after it.
    open = /^[#@]/.test(line);
  }
  return statements;
}

function parse(path: string, sources: PythonSources): PythonModule {
  const text = sources.get(path)!;
  const [head, doc] = /^"""(.*?)"""\n/s.exec(text) ?? ["", ""];
  const imports = new Map<string, Import>();
  const definitions: Definition[] = [];
  for (const statement of statementsOf(text.slice(head.length))) {
    const code = statement.text.replace(/^#.*\n/gm, "");
    if (/^(import|from) /.test(code)) {
      for (const [name, found] of importsOf(code, path, sources)) imports.set(name, found);
      continue;
    }
    const name = /^(?:class|def) (\w+)|^(\w+) = /m.exec(statement.text);
    if (name === null)
      throw new Error(`${path}: cannot read "${statement.text.split("\n")[0]}" at the top level`);
    definitions.push({ ...statement, name: name[1] ?? name[2]! });
  }
  return { path, doc: doc!.trim(), imports, definitions };
}

/** Parses a module after the modules that it imports, each once. */
function parseAll(path: string, sources: PythonSources, found = new Map<string, PythonModule | null>()) {
  if (found.has(path)) return found;
  found.set(path, null);
  const module = parse(path, sources);
  for (const { from, external } of module.imports.values()) if (!external) parseAll(from, sources, found);
  // Set again, so that the order of the map is the order in which Python runs the modules.
  found.delete(path);
  found.set(path, module);
  return found;
}

/** Finds the definitions that a definition needs, itself included, as `path name`. */
function reach(path: string, name: string, modules: ReadonlyMap<string, PythonModule>, found: Set<string>) {
  const { imports, definitions } = modules.get(path)!;
  const definition = definitions.find((other) => other.name === name);
  if (definition === undefined) throw new Error(`${path} does not define ${name}`);
  const key = `${path} ${name}`;
  if (found.has(key)) return;
  found.add(key);
  for (const other of definitions)
    if (uses(definition.text, other.name)) reach(path, other.name, modules, found);
  for (const [bound, { from, external }] of imports)
    if (!external && uses(definition.text, bound)) reach(from, bound, modules, found);
}

/** `CHUNK` of gdn.py as `GDN_CHUNK`, `unit` as `gdn_unit`, where another module has the same name. */
function distinctName(path: string, name: string): string {
  const stem = path.split("/").at(-1)!.replace(".py", "");
  if (/^[A-Z_]+$/.test(name)) return `${stem.toUpperCase()}_${name}`;
  return /^[A-Z]/.test(name) ? `${stem[0]!.toUpperCase()}${stem.slice(1)}${name}` : `${stem}_${name}`;
}

const comment = (text: string): string =>
  text
    .split("\n")
    .map((line) => `# ${line}`.trimEnd())
    .join("\n");

/** Returns imports in order: the standard library, an empty line, torch. */
function importLines(lines: ReadonlySet<string>): string {
  const groups = [false, true].map((torch) =>
    [...lines]
      .filter((line) => /^\w+ torch\b/.test(line) === torch)
      .sort((a, b) => Number(a.startsWith("from")) - Number(b.startsWith("from")) || (a < b ? -1 : 1)),
  );
  return groups.map((group) => group.join("\n")).join("\n\n");
}

/** Adds an import that a file needs. Throws Error if it is not allowed. */
function addImport(line: string, path: string, lines: Set<string>): void {
  if (!ALLOWED.test(line))
    throw new Error(`${path} has "${line}"; a joined file needs only torch and the standard library`);
  lines.add(line);
}

/**
 * Returns imports and definitions that `entry`, a class of the module `path`, needs, in an order that Python can
 * run. The docstring of a module becomes a comment. Names that two modules define are made distinct.
 * @throws Error if a source leaves the subset of Python above, or needs another package.
 */
export function bundlePython(sources: PythonSources, path: string, entry: string): string {
  const modules = parseAll(path, sources) as ReadonlyMap<string, PythonModule>;
  const needed = new Set<string>();
  reach(path, entry, modules, needed);
  const names = [...needed].map((key) => key.split(" ")[1]!);
  const finalName = (from: string, name: string): string =>
    names.indexOf(name) === names.lastIndexOf(name) ? name : distinctName(from, name);
  const lines = new Set<string>();
  const sections = [...modules.values()].flatMap((module) => {
    const own = module.definitions.filter(({ name }) => needed.has(`${module.path} ${name}`));
    if (own.length === 0) return [];
    let text = own.map(({ gap, text }) => "\n".repeat(gap + 1) + text).join("");
    const bound = own.map(({ name }) => [name, module.path] as const);
    for (const [name, { from, external }] of module.imports) {
      if (!uses(text, name)) continue;
      if (external) addImport(from, module.path, lines);
      else bound.push([name, from]);
    }
    for (const [name, from] of bound) text = text.replace(wordOf(name), finalName(from, name));
    return [`# ${"-".repeat(100)}\n${comment(module.doc)}${text}`];
  });
  return `${[importLines(lines), ...sections].join("\n\n\n")}\n`;
}
