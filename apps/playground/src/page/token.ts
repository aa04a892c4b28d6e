import { find } from "./dom.ts";

// Kept for as long as this tab is open, and never put into a URL.
const KEY = "tidings-token";

/** The token that this tab shows to the servers; `undefined` when it has none. */
export const currentToken = (): string | undefined => sessionStorage.getItem(KEY) ?? undefined;

/** Keeps the token that the form holds; an empty one is none. */
export const tokenForm = (form: HTMLFormElement, onChange: () => void): void => {
  const field = find(form, "input", HTMLInputElement);
  field.value = currentToken() ?? "";
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    if (field.value) sessionStorage.setItem(KEY, field.value);
    else sessionStorage.removeItem(KEY);
    onChange();
  });
};

// A client is a module of its own: its `Refusal` is not ours, so `instanceof` would not know it.
const isUnauthorized = (error: unknown) =>
  error instanceof Error && "status" in error && error.status === 401;

/** What a failure means to whoever looks at the page. */
export const explain = (error: unknown): string => {
  if (!isUnauthorized(error)) return error instanceof Error ? error.message : `${error}`;
  return currentToken() === undefined
    ? "This server asks for a token: enter it at the top of the page."
    : "This server does not take the token at the top of the page.";
};
