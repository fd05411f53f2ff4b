// Filters and pages the findings that are embedded in the page.
// Everything is put in place as text, never as markup: values come from other people's stores.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("findings-data").textContent);
  const list = document.getElementById("findings-list");
  const form = document.getElementById("filters");
  if (!list || !form) return;
  const names = ["text", "entity", "replica", "divergence", "verdict", "field"];
  const PRINTED_MAX = 500;
  let matching = data.findings;
  let page = 0;

  const el = (name, attributes, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) if (value !== null) node.setAttribute(key, value);
    node.append(...children.filter((child) => child !== null && child !== ""));
    return node;
  };
  const number = (count) => count.toLocaleString("en-US");

  // A value: null for NULL, else pieces, every second of which differs.
  const value = (pieces, side) => {
    const bdi = el("bdi", { class: pieces === null ? "value null" : "value" });
    if (pieces === null) bdi.append("NULL");
    else pieces.forEach((text, i) => text && bdi.append(i % 2 ? el("mark", {}, text) : text));
    return el("td", { class: side, "data-label": side }, bdi);
  };
  const sides = (f) => {
    const heads = f.r === null ? ["value"] : ["owner", f.r];
    const head = el("tr", {}, el("th", { scope: "col" }, el("span", { class: "said" }, "field")),
      ...heads.map((text) => el("th", { scope: "col" }, text)));
    const rows = f.f.map(([name, owner, replica, meaning]) => el("tr", {},
      el("th", { scope: "row" }, el("bdi", {}, name), meaning ? el("span", { class: "meaning" }, meaning) : null),
      value(owner, "owner"), f.r === null ? null : value(replica, "replica")));
    return el("table", { class: "sides" }, el("colgroup", {}, el("col", { class: "field" })),
      el("thead", {}, head), el("tbody", {}, ...rows));
  };
  const evidence = (f) => {
    const facts = el("dl", { class: "facts" });
    for (const [name, text] of f.x) facts.append(el("dt", {}, name), el("dd", {}, el("bdi", {}, text)));
    const body = el("div", { class: "evidence-body" }, facts);
    for (const [caption, heads, rows] of f.t) {
      body.append(el("table", { class: "reads" }, el("caption", { class: "said" }, caption),
        el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)))),
        el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((text) => el("td", {}, el("bdi", {}, text))))))));
    }
    return el("details", {}, el("summary", {}, "Evidence"), body);
  };
  const item = (f) => el("li", { class: "finding" },
    el("div", {},
      el("p", { class: "badges" }, el("span", { class: "badge " + f.v }, data.words[f.v] || f.v),
        el("span", { class: "kind" }, data.words[f.d] || f.d), f.u === null ? null : el("bdi", { class: "mono" }, f.u)),
      el("h3", {}, el("bdi", {}, f.p), el("bdi", { class: "key" }, f.k)),
      f.m ? el("p", { class: "meta" }, f.m) : null),
    el("div", {},
      f.f.length ? sides(f) : el("p", { class: "small" }, f.s),
      f.n ? el("p", { class: "note" }, el("bdi", {}, f.n)) : null,
      evidence(f)));

  const haystack = (f) => f.h ||= [f.i, f.k, f.p, f.u, f.m, f.n, ...f.f.flatMap(([name, owner, replica]) =>
    [name, (owner || ["NULL"]).join(""), (replica || ["NULL"]).join("")])].join("\n").toLowerCase();
  const filters = () => Object.fromEntries(names.map((name) => [name, form.elements[name].value]));
  const matches = (f, want, text) =>
    (!want.entity || f.e === want.entity) &&
    (!want.replica || (want.replica === "(owner)" ? f.r === null : f.r === want.replica)) &&
    (!want.divergence || f.d === want.divergence) && (!want.verdict || f.v === want.verdict) &&
    (!want.field || f.f.some(([name]) => name === want.field)) && (!text || haystack(f).includes(text));

  const draw = (count = data.page) => {
    const pages = Math.max(1, Math.ceil(matching.length / data.page));
    page = Math.min(page, pages - 1);
    const first = page * data.page;
    const shown = matching.slice(first, first + count);
    list.replaceChildren(...shown.map(item));
    const range = matching.length > 1 ? `${number(first + 1)}–${number(first + shown.length)} of ` : "";
    const of = matching.length === data.findings.length ? "" : ` (${number(data.findings.length)} without filters)`;
    document.getElementById("count").textContent =
      matching.length ? `${range}${number(matching.length)} ${matching.length === 1 ? "finding" : "findings"}${of}` : `No finding matches${of}`;
    document.getElementById("none").hidden = matching.length > 0;
    document.getElementById("reset").disabled = matching.length === data.findings.length;
    document.querySelectorAll(".pages").forEach((nav) => {
      nav.hidden = pages === 1;
      nav.querySelector(".where").textContent = `Page ${number(page + 1)} of ${number(pages)}`;
      nav.querySelector(".back").disabled = page === 0;
      nav.querySelector(".on").disabled = page === pages - 1;
    });
  };
  const filter = () => {
    const want = filters();
    const text = want.text.trim().toLowerCase();
    matching = data.findings.filter((f) => matches(f, want, text));
    page = 0;
    draw();
  };
  const remember = () => {
    const set = Object.entries(filters()).filter(([, text]) => text);
    try { history.replaceState(null, "", set.length ? "#" + new URLSearchParams(set) : "#findings"); } catch { /* a sandboxed page has no address */ }
  };
  // An address such as `#entity=order&replica=search` shows what it names, so that a view can be sent to somebody.
  const recall = () => {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (!names.some((name) => wanted.has(name))) return false;
    for (const name of names) {
      const control = form.elements[name];
      control.value = wanted.get(name) || "";
      if (control.selectedIndex === -1) control.value = "";
    }
    filter();
    return true;
  };
  const turn = (step) => {
    page += step;
    draw();
    const heading = document.getElementById("findings");
    heading.scrollIntoView();
    heading.focus({ preventScroll: true });
  };

  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { filter(); remember(); }, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("reset").addEventListener("click", () => { form.reset(); filter(); remember(); form.elements.text.focus(); });
  document.querySelectorAll(".pages").forEach((nav) => {
    nav.querySelector(".back").addEventListener("click", () => turn(-1));
    nav.querySelector(".on").addEventListener("click", () => turn(1));
  });
  addEventListener("hashchange", () => { if (recall()) document.getElementById("findings").scrollIntoView(); });
  addEventListener("beforeprint", () => draw(PRINTED_MAX));
  addEventListener("afterprint", () => draw());
  document.querySelectorAll("[data-script]").forEach((node) => { node.hidden = false; });
  if (!recall()) draw();
  else document.getElementById("findings").scrollIntoView();
})();
