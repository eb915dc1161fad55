// Packs a Python program of many modules into one executable file: a first line that names the interpreter,
// then an uncompressed zip archive. Python runs its __main__.py (PEP 441). Equal modules give equal bytes:
// times are constant and names are sorted.
import { crc32 } from "node:zlib";

const UTF8_NAMES = 0x0800;
const VERSION = 20;
const FIRST_DAY = 0x21; // 1980-01-01, the earliest date of a zip

/**
 * Returns the program's bytes.
 * @param modules sources by their path in the archive, `__main__.py` among them.
 */
export function pythonZip(interpreter: string, modules: ReadonlyMap<string, string>): Buffer {
  const first = Buffer.from(`#!${interpreter}\n`);
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = first.length;
  for (const [path, source] of [...modules].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const name = Buffer.from(path);
    const data = Buffer.from(source);
    // Both headers of a file share these fields.
    const facts = Buffer.alloc(26);
    facts.writeUInt16LE(VERSION, 0);
    facts.writeUInt16LE(UTF8_NAMES, 2);
    facts.writeUInt16LE(FIRST_DAY, 8);
    facts.writeUInt32LE(crc32(data), 10);
    facts.writeUInt32LE(data.length, 14);
    facts.writeUInt32LE(data.length, 18);
    facts.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(at, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), facts, place, name]));
    files.push(Buffer.concat([Buffer.from("PK\x03\x04"), facts, name, data]));
    at += files.at(-1)!.length;
  }
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([first, ...files, ...directory, end]);
}
