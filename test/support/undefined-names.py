"""Compiles Python files without running them. Prints global names that a file uses and nothing defines, and names that it defines twice."""
import ast
import builtins
import symtable
import sys


def used(table):
    """Returns the global names that a scope and the scopes within it use."""
    own = {s.get_name() for s in table.get_symbols() if s.is_global() or table.get_type() == "module" and s.is_referenced()}
    return own.union(*(used(child) for child in table.get_children()))


def defined(node):
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    return [(a.asname or a.name).split(".")[0] for a in getattr(node, "names", [])]


for path in sys.argv[1:]:
    with open(path) as f:
        text = f.read()
    compile(text, path, "exec")
    names = [name for node in ast.parse(text).body for name in defined(node)]
    undefined = used(symtable.symtable(text, path, "exec")) - set(names) - set(dir(builtins)) - {"__class__"}
    twice = {name for name in names if names.count(name) > 1}
    if undefined or twice:
        print(path, "undefined:", *sorted(undefined), "twice:", *sorted(twice))
