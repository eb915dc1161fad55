// Detects network file systems. SQLite's locks and shared memory do not work between machines there, so two
// of them could damage a database.
import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** Types in /proc/self/mountinfo that several machines can write at once. */
const NETWORK =
  /^(nfs4?|cifs|smb3|smbfs|afs|ncpfs|coda|ceph|lustre|gpfs|beegfs|pvfs2|ocfs2|gfs2?|glusterfs|fuse\.(sshfs|glusterfs|s3fs|rclone|cephfs|ceph|nfs|smbnetfs|davfs2?|gcsfuse|blobfuse2?|juicefs|seaweedfs|moosefs|lizardfs|orangefs|beegfs|curlftpfs))$/;

/** Decodes a mount point: blanks in it are written as octal numbers. */
const unescaped = (text: string): string =>
  text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

const contains = (folder: string, path: string): boolean =>
  folder === "/" || path === folder || path.startsWith(`${folder}/`);

/**
 * Returns the type of the network file system that holds `path`; null when it is local or unknown. Of two
 * mounts on one folder the later one counts.
 */
export function networkIn(mountinfo: string, path: string): string | null {
  let [best, type] = ["", ""];
  for (const line of mountinfo.split("\n")) {
    const [mount, source] = line.split(" - ") as [string, string | undefined];
    const point = unescaped(mount.split(" ")[4] ?? "");
    if (source === undefined || !contains(point, path) || point.length < best.length) continue;
    [best, type] = [point, source.split(" ")[0]!];
  }
  return NETWORK.test(type) ? type : null;
}

/** The resolved path of a file that need not exist. */
function realPlace(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(resolve(path));
    return folder === resolve(path) ? folder : join(realPlace(folder), basename(path));
  }
}

/** Returns the type of the network file system that holds `path`; null when it is local or unknown. */
export function networkFileSystem(path: string): string | null {
  try {
    return networkIn(readFileSync("/proc/self/mountinfo", "utf8"), realPlace(path));
  } catch {
    return null;
  }
}
