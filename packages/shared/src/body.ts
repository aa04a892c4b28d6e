import type { Json } from "./event.ts";
import { Problem } from "./problem.ts";

/**
 * The body's bytes, at most `maxBytes` of them: a longer body is a 413 before it is held in
 * memory, whether it says its length or comes in chunks.
 */
export const readBody = async (request: Request, maxBytes: number): Promise<Uint8Array> => {
  try {
    return await readUpTo(request, maxBytes);
  } catch (error) {
    // A client that leaves in the middle of its body is no failure of ours.
    if (request.signal.aborted) throw new Problem(400, "body: broke off.");
    throw error;
  }
};

const readUpTo = async (request: Request, maxBytes: number): Promise<Uint8Array> => {
  const tooLarge = () => new Problem(413, `body: must be at most ${maxBytes} bytes.`);
  const length = request.headers.get("content-length");
  if (length !== null) {
    if (Number(length) > maxBytes) throw tooLarge();
    return request.bytes();
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A JSON body. 415 when it says to be something else, or compressed [RFC 9110, section 15.5.16],
 * 400 when it is not JSON in UTF-8.
 */
export const readJson = async (request: Request, maxBytes: number): Promise<Json> => {
  const mediaType = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (mediaType !== "application/json")
    throw new Problem(415, "content-type: must be application/json.");
  if (request.headers.has("content-encoding"))
    throw new Problem(415, "content-encoding: none is understood here; send the JSON as it is.", {
      "accept-encoding": "identity",
    });
  const bytes = await readBody(request, maxBytes);
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    throw new Problem(400, "body: must be JSON in UTF-8.");
  }
};
