/** The members of an RFC 9457 problem document, as every error answer carries them. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** Names the field and the cure; never a stack, an internal message or a secret. */
  readonly detail: string;
}

const TITLES: Record<number, string> = {
  400: "Malformed request",
  401: "Not authorized",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  409: "Conflict",
  410: "Gone",
  413: "Too large",
  415: "Unsupported media type",
  422: "Not valid",
  426: "Upgrade required",
  429: "Too many requests",
  500: "Internal error",
  503: "Not available",
};

/** An error that is meant for the client. Throw it anywhere; the server answers with it. */
export class Problem extends Error implements ProblemDocument {
  override readonly name = "Problem";
  readonly type = "about:blank";
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly headers: Record<string, string>;

  constructor(status: number, detail: string, headers: Record<string, string> = {}) {
    super(detail);
    this.status = status;
    this.title = TITLES[status] ?? "Error";
    this.detail = detail;
    this.headers = headers;
  }

  toJSON(): ProblemDocument {
    return { type: this.type, title: this.title, status: this.status, detail: this.detail };
  }

  /** The answer: `application/problem+json` (RFC 9457, section 3), never cached. */
  toResponse(): Response {
    return new Response(JSON.stringify(this), {
      status: this.status,
      headers: {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        ...this.headers,
      },
    });
  }
}

/** What the client is told of an error: a problem as it is, of anything else only that it was. */
export const asProblem = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem(500, "The server failed to answer; the failure is in its log.");
};

/** Whether an answer's JSON says what went wrong. */
export const isProblem = (value: unknown): value is { detail: string } =>
  typeof value === "object" &&
  value !== null &&
  "detail" in value &&
  typeof value.detail === "string";
