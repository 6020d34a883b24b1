// As much Markdown as the demo course needs: headings, lists, code, bold. Yields elements, never HTML.

import { h } from "./dom.js";

export function markdown(text: string): HTMLElement {
  const article = h("div", { class: "prose" });
  // Odd parts are what stands between fences, with the language in their first line.
  text.split(/^```/m).forEach((piece, index) => {
    if (index % 2 === 1) article.append(h("pre", { tabindex: 0 }, h("code", {}, piece.replace(/^[^\n]*\n/, ""))));
    else article.append(...piece.split(/\n\s*\n/).map((block) => block.trim()).filter(Boolean).map(paragraph));
  });
  return article;
}

function paragraph(block: string): HTMLElement {
  const heading = /^(#{1,4})\s+(.*)$/s.exec(block);
  // Below the headings of the page itself.
  if (heading?.[2]) return h("h4", {}, ...inline(heading[2]));
  const lines = block.split(/\n(?=\s*(?:[-*]|\d+\.)\s)/);
  const item = /^\s*(?:[-*]|\d+\.)\s+/;
  if (lines.every((line) => item.test(line))) {
    return h(/^\s*\d/.test(block) ? "ol" : "ul", {}, ...lines.map((line) => h("li", {}, ...inline(line.replace(item, "")))));
  }
  return h("p", {}, ...inline(block));
}

function inline(text: string): (Node | string)[] {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*)/).map((piece) => {
    if (piece.startsWith("`")) return h("code", {}, piece.slice(1, -1));
    if (piece.startsWith("**")) return h("strong", {}, piece.slice(2, -2));
    return /^\*.+\*$/s.test(piece) ? h("em", {}, piece.slice(1, -1)) : piece;
  });
}
