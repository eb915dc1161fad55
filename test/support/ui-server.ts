// `edgefront ui` and a sweep beside it, in a folder of their own, and requests to it.
import { request } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { type Running, startCli, temporaryFolder } from "./built-cli.ts";

let folder: ReturnType<typeof temporaryFolder>;
export const folderNow = (): string => folder.path;
/** Returns the path of a file in the folder of this test. */
export const at = (name: string): string => join(folder.path, name);
const started: Running[] = [];
export const begin = (): void => {
  folder = temporaryFolder();
};
export const end = async (): Promise<void> => {
  for (const { child, finished } of started.splice(0)) {
    child.kill("SIGINT");
    await finished;
  }
  folder.remove();
};

export const start = (...args: string[]): Running => {
  const running = startCli(args, folder.path);
  started.push(running);
  return running;
};

/** Starts `edgefront ui` and returns the address that it prints. */
export async function startUi(...args: string[]): Promise<{ url: string; running: Running }> {
  const running = start("ui", "--port", "0", "--json", ...args);
  const url = await new Promise<string>((resolve, reject) => {
    let text = "";
    running.child.stdout!.on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\n")) resolve((JSON.parse(text) as { url: string }).url);
    });
    void running.finished.then(({ stderr }) => reject(new Error(stderr)));
  });
  return { url, running };
}

export function saying(running: Running, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = "";
    running.child.stderr!.on("data", (chunk: string) => {
      seen += chunk;
      if (seen.includes(text)) resolve();
    });
    void running.finished.then(() => reject(new Error(`ended without saying ${text}: ${seen}`)));
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}
export function get(
  url: string,
  headers: Record<string, string> = {},
  method = "GET",
  packed = false,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, method }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        const body = (packed ? gunzipSync(bytes) : bytes).toString();
        resolve({ status: response.statusCode!, headers: response.headers, body });
      });
    });
    sent.on("error", reject).end();
  });
}

export function finishTimes(): number[] {
  const db = new Database(at("edgefront.db"), { readonly: true });
  try {
    const rows = db.prepare("SELECT finished_at FROM trials WHERE state = 'complete'").all();
    return (rows as { finished_at: string }[]).map((row) => Date.parse(row.finished_at)).sort();
  } finally {
    db.close();
  }
}
