/** The element that a selector finds; a page without it is broken. */
export const find = <Found extends Element>(
  within: ParentNode,
  selector: string,
  type: new () => Found,
): Found => {
  const found = within.querySelector(selector);
  if (!(found instanceof type)) throw new Error(`The page lacks ${selector}.`);
  return found;
};

/** A copy of a template's first element. */
export const copy = (id: string): Element => {
  const { content } = find(document, `template#${id}`, HTMLTemplateElement);
  const element = find(document.importNode(content, true), "*", Element);
  return element;
};

/** Sets the text of what a selector finds. */
export const write = (within: ParentNode, selector: string, text: string): void => {
  find(within, selector, Element).textContent = text;
};
