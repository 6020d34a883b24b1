// Elements without a framework. Text is always text: what authors write is never read as HTML.

type Child = Node | string | false | null | undefined;
type Attributes = Record<string, string | number | boolean | ((event: Event) => void)>;

/** `h("button", { class: "primary", onclick: act }, "Start")` */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false) element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child instanceof Node || typeof child === "string"));
  return element;
}

export function part(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Shows something else, and keeps the keyboard where it was and texts that are being written. */
export function show(place: HTMLElement, ...children: Child[]): void {
  const written = new Map([...place.querySelectorAll("textarea")].map((field) => [field.id, field.value]));
  const opened = new Map([...place.querySelectorAll("details")].map((one) => [one.id, one.open]));
  const focused = place.contains(document.activeElement) ? document.activeElement?.id : undefined;
  place.replaceChildren(...children.filter((child): child is Node | string => child instanceof Node || typeof child === "string"));
  for (const field of place.querySelectorAll("textarea")) field.value = written.get(field.id) ?? field.value;
  for (const one of place.querySelectorAll("details")) if (opened.get(one.id)) one.open = true;
  if (focused) (document.getElementById(focused) ?? place).focus({ preventScroll: true });
}

/** A button that is off while its work goes on. */
export function button(id: string, label: string, look: string, act: () => Promise<void>): HTMLButtonElement {
  const made = h("button", { id, type: "button", class: look, onclick: () => void press() }, label);
  async function press(): Promise<void> {
    made.disabled = true;
    try {
      await act();
    } finally {
      made.disabled = false;
    }
  }
  return made;
}
