"use strict";
// Filters hide what does not fit; without this script everything is shown.
for (const form of document.querySelectorAll("form.filters")) {
  const items = [...document.getElementById(form.dataset.of).children];
  const words = new Map();
  const has = (item, text) => {
    if (!words.has(item)) words.set(item, item.textContent.toLowerCase());
    return words.get(item).includes(text);
  };
  const count = form.querySelector("output");
  const apply = () => {
    const { text, verdict, party, counts } = Object.fromEntries(new FormData(form));
    const sought = (text || "").trim().toLowerCase();
    let shown = 0;
    for (const item of items) {
      const fits =
        (!sought || has(item, sought)) &&
        (!verdict || item.dataset.verdict.split(" ").includes(verdict)) &&
        (!party || item.dataset.party === party) &&
        (!counts || item.dataset.counts === counts);
      item.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${items.length} shown`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("change", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  apply();
}
// A link to something folded or filtered out opens the way to it.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let node = target; node; node = node.parentElement) {
    node.hidden = false;
    if (node.tagName === "DETAILS") node.open = true;
  }
  target?.scrollIntoView();
};
addEventListener("hashchange", reveal);
if (location.hash) reveal();
// On paper nothing is folded, but for pictures that were not opened.
addEventListener("beforeprint", () => {
  for (const rule of document.querySelectorAll("details.rule[data-verdict=nonconforming]")) rule.open = true;
});
