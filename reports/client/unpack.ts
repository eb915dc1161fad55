// Reads the contents of the page's inert script elements: plain text, or compressed and base64-coded text.

export async function unpack(id: string): Promise<string> {
  const element = document.getElementById(id) as HTMLScriptElement;
  const text = element.textContent!;
  if (!element.type.endsWith("gzip")) return text;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}
