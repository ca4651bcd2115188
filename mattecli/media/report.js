"use strict";
// Filters, sorts and pages the sheet, and shows its pictures large. Without it the page reads as well.
(() => {
  const PAGE = 50;
  const articles = [...document.querySelectorAll("article[data-status]")];
  if (!articles.length) return;
  const make = (tag, parent, text = "", kind = "") => {
    const node = document.createElement(tag);
    node.textContent = text;
    if (kind) node.className = kind;
    parent.append(node);
    return node;
  };
  const facts = new Map(articles.map((node, place) => [node, {
    place, status: node.dataset.status, seconds: Number(node.dataset.seconds),
    name: node.querySelector("h3").textContent,
  }]));
  const ORDERS = {
    "failed first": (a, b) => a.place - b.place,
    "by name": (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
    "slowest first": (a, b) => b.seconds - a.seconds,
  };
  const state = { status: "all", order: "failed first", words: "", page: 0 };

  const sheet = document.createElement("section");
  document.querySelector("main > table").after(sheet);
  const bar = make("div", sheet, "", "bar");
  const list = make("div", sheet);
  const foot = make("div", sheet, "", "bar");
  document.querySelectorAll("main > .sheet").forEach((node) => node.remove());
  const rows = [...document.querySelectorAll("table.names tbody tr")];

  const counts = new Map([["all", articles.length + rows.length]]);
  const statusOf = (row) => row.cells[1].textContent;
  const count = (status) => counts.set(status, (counts.get(status) || 0) + 1);
  articles.forEach((node) => count(node.dataset.status));
  rows.forEach((row) => count(statusOf(row)));
  const buttons = [...counts].map(([status, number]) => {
    const button = make("button", bar, `${status} ${number}`);
    button.addEventListener("click", () => change({ status }));
    return [status, button];
  });
  const select = make("select", bar);
  Object.keys(ORDERS).forEach((name) => make("option", select, name));
  select.addEventListener("change", () => change({ order: select.value }));
  const search = make("input", bar);
  search.type = "search";
  search.placeholder = "part of a name or message";
  search.addEventListener("input", () => change({ words: search.value.toLowerCase() }));

  const change = (what) => {
    Object.assign(state, { page: 0 }, what);
    const fits = (status, text) => (state.status === "all" || state.status === status)
      && text.toLowerCase().includes(state.words);
    const found = articles.filter((node) => fits(node.dataset.status, node.textContent))
      .sort((a, b) => ORDERS[state.order](facts.get(a), facts.get(b)));
    rows.forEach((row) => { row.hidden = !fits(statusOf(row), row.textContent); });
    const last = Math.max(Math.ceil(found.length / PAGE) - 1, 0);
    state.page = Math.min(Math.max(state.page, 0), last);
    list.replaceChildren(...found.slice(state.page * PAGE, (state.page + 1) * PAGE));
    buttons.forEach(([status, button]) => { button.ariaPressed = String(status === state.status); });
    foot.replaceChildren();
    if (last) {
      const go = (text, page, off) => {
        const button = make("button", foot, text);
        button.disabled = off;
        button.addEventListener("click", () => { change({ page }); bar.scrollIntoView(); });
      };
      go("previous", state.page - 1, state.page === 0);
      make("span", foot, `page ${state.page + 1} of ${last + 1}, ${found.length} inputs`);
      go("next", state.page + 1, state.page === last);
    }
  };

  const box = make("dialog", document.body);
  const title = make("h3", box);
  const stage = make("div", box, "", "stage");
  const under = make("img", stage);
  const over = make("img", stage);
  const slider = make("input", box);
  const ticks = make("div", box, "", "ticks");
  slider.type = "range";
  slider.step = "0.01";
  let shown = [];
  const slide = () => {
    const value = Number(slider.value);
    const left = Math.min(Math.floor(value), Math.max(shown.length - 2, 0));
    const right = Math.min(left + 1, shown.length - 1);
    under.src = shown[left].src;
    over.src = shown[right].src;
    over.style.clipPath = `inset(0 0 0 ${100 - 100 * (value - left)}%)`;
  };
  slider.addEventListener("input", slide);
  document.addEventListener("click", (event) => {
    const picture = event.target.closest("article[data-status] img");
    if (event.target === box) box.close();
    if (!picture) return;
    const article = picture.closest("article");
    shown = [...article.querySelectorAll("img")];
    title.textContent = facts.get(article).name;
    ticks.replaceChildren();
    shown.forEach((image) => make("span", ticks, image.alt));
    slider.max = String(shown.length - 1);
    slider.value = String(shown.indexOf(picture));
    slide();
    box.showModal();
  });
  change({});
})();
