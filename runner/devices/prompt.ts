// Questions to the person at the terminal, on stderr, so that stdout stays data. Nothing is asked where nobody can answer.
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

export const canAsk = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** What was typed, without the line's end. */
export async function ask(question: string): Promise<string> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await prompt.question(question);
  } finally {
    prompt.close();
  }
}

/** The same for a secret: the terminal is in raw mode and what it would echo goes nowhere. */
export async function askSecret(question: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  // Only now: what answers at once would still be echoed before.
  process.stderr.write(question);
  try {
    return await prompt.question("");
  } finally {
    prompt.close();
    process.stderr.write("\n");
  }
}
