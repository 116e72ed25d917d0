// The bar at the top, the legend, the line at the bottom, and the start.
function showInspector() {
  const i = state.hover >= 0 ? state.hover : state.pin, host = byId("inspector");
  host.hidden = i < 0;
  if (i < 0) return;
  host.replaceChildren(make("span", {}, swatch(labelOf[i]), make("b", {}, data.labels[labelOf[i]])),
    make("span", { class: "said" }, data.texts[i]),
    state.pin >= 0 ? make("button", { type: "button", class: "quiet", id: "unpin", on: { click: () => change("pin", (s) => { s.pin = -1; }) } }, "Unpin (Esc)") : make("span", { class: "faint" }, "click to pin"));
  host.dataset.text = i;
}
follow(["hover", "pin", "theme"], showInspector);

function showLegend() {
  const press = (code) => change("labels", (s) => { if (!s.labels.delete(code)) s.labels.add(code); });
  byId("legend").replaceChildren(
    ...data.labels.map((name, code) => make("button", { type: "button", class: "chip", title: name, "data-label": name, "aria-pressed": String(state.labels.has(code)), on: { click: () => {
      press(code);
      byId("legend").querySelectorAll(".chip")[code]?.focus();
    } } }, swatch(code), short(name, 40), " ", make("span", { class: "faint" }, whole(data.sizes[code])))),
    ...(state.labels.size ? [make("button", { type: "button", class: "chip quiet", id: "all-labels", on: { click: () => change("labels", (s) => s.labels.clear()) } }, "show all")] : []));
}
follow(["labels", "theme"], showLegend);

function fillFilter(kind, values) {
  const menu = byId(`filter-${kind}`);
  if (values.length < 2) { menu.hidden = true; menu.style.setProperty("display", "none"); return; }
  menu.querySelector("div").replaceChildren(...values.map((value) => make("label", {}, make("input", { type: "checkbox", value, checked: "", on: { change: (event) => {
    change("filter", (s) => { if (event.target.checked) s.hidden[kind].delete(value); else s.hidden[kind].add(value); });
    const hidden = state.hidden[kind].size;
    menu.querySelector("summary").textContent = menu.dataset.name + (hidden ? ` (${values.length - hidden} of ${values.length})` : "");
  } } }), value)));
  menu.dataset.name = menu.querySelector("summary").textContent;
}

const LISTED = 8, RINGED = 300;
let offered = -1;
function search() {
  const box = byId("search"), list = byId("found"), words = box.value.trim().toLocaleLowerCase();
  const hits = [];
  if (words) for (let i = 0; i < data.texts.length; i++) if (lowered()[i].includes(words)) hits.push(i);
  offered = -1;
  byId("found-count").textContent = words ? `${whole(hits.length)} found${hits.length > RINGED ? `, ${RINGED} ringed` : ""}` : "";
  list.replaceChildren(...hits.slice(0, LISTED).map((i, place) => make("li", { role: "option", id: `found-${place}`, "data-text": i, "aria-selected": "false", on: {
    pointerdown: (event) => { event.preventDefault(); choose(i); }, pointerenter: () => change("hover", (s) => { s.hover = i; }), pointerleave: () => change("hover", (s) => { s.hover = -1; }) } },
    swatch(labelOf[i]), data.texts[i])));
  list.hidden = hits.length === 0;
  box.setAttribute("aria-expanded", String(hits.length > 0));
  change("found", (s) => { s.found = hits.slice(0, RINGED); });
}
let lowerTexts = null;
const lowered = () => (lowerTexts ??= data.texts.map((text) => text.toLocaleLowerCase()));

function closeSearch() {
  byId("found").hidden = true;
  byId("search").setAttribute("aria-expanded", "false");
  byId("search").removeAttribute("aria-activedescendant");
}
function choose(i) {
  closeSearch();
  change("pin", (s) => { s.hover = -1; s.pin = i; });
}
function searchKeys(event) {
  const rows = [...byId("found").children];
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && rows.length) {
    event.preventDefault();
    offered = (offered + (event.key === "ArrowDown" ? 1 : -1) + rows.length) % rows.length;
    rows.forEach((row, place) => row.setAttribute("aria-selected", String(place === offered)));
    byId("search").setAttribute("aria-activedescendant", rows[offered].id);
    change("hover", (s) => { s.hover = Number(rows[offered].dataset.text); });
  } else if (event.key === "Enter" && rows.length) {
    event.preventDefault();
    choose(Number(rows[Math.max(0, offered)].dataset.text));
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = theme === "dark" ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", `Switch to the ${theme === "dark" ? "light" : "dark"} theme`);
  change("theme", (s) => { s.theme = theme; });
}

function start() {
  const { corpus } = data, shown = data.shown < corpus.texts;
  byId("title").textContent = `Which embedding model for ${corpus.name}?`;
  document.title = `evalkit · ${corpus.name}`;
  const count = (n, one) => `${whole(n)} ${one}${n === 1 ? "" : "s"}`;
  byId("subtitle").textContent = `${count(corpus.texts, "text")} in ${count(data.labels.length, "topic")} · ${count(data.models.length, "model")}, ${count(data.runs.length, "run")} · data ${String(corpus.fingerprint).slice(0, 12)}`;
  byId("maps-note").textContent = `${shown ? `Shown: a sample of ${whole(data.shown)} of ${whole(corpus.texts)} texts, taken evenly from each topic; hulls and scores are of all. ` : ""}${data.runs.length > 1 ? `Turned and mirrored (never stretched) towards ${data.alignedTo}, so that equal arrangements look equal. ` : ""}Point at a text to see it in every map; click to pin it.`;
  byId("foot").textContent = `Made by evalkit ${data.version}. Texts are cut at ${data.cut} characters on this page.`;
  options(byId("score"), scoreNames, firstScore);
  state.score = firstScore ?? null;
  fillFilter("model", data.models);
  fillFilter("pooling", [...new Set(data.runs.map((run) => run.pooling))].sort());
  fillFilter("projection", [...new Set(data.runs.map((run) => run.projection))].sort());
  byId("score").addEventListener("change", (event) => change("score", (s) => { s.score = event.target.value; }));
  byId("order").addEventListener("change", (event) => change("order", (s) => { s.order = event.target.value; }));
  byId("size").addEventListener("change", (event) => {
    document.documentElement.style.setProperty("--cell", `${event.target.value}px`);
    redraw();
  });
  byId("theme").addEventListener("click", () => setTheme(state.theme === "dark" ? "light" : "dark"));
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("keydown", searchKeys);
  byId("search").addEventListener("blur", closeSearch);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll(".menu[open]")) menu.open = false;
    if (!byId("found").hidden) closeSearch();
    else if (state.pin >= 0 || state.hover >= 0) change("pin", (s) => { s.pin = -1; s.hover = -1; });
  });
  document.addEventListener("pointerdown", (event) => {
    for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  let waiting = 0;
  new ResizeObserver(() => { clearTimeout(waiting); waiting = setTimeout(redraw, 80); }).observe(byId("maps"));
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  if (data.theme === "auto") dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  state.theme = data.theme === "auto" ? (dark.matches ? "dark" : "light") : data.theme;
  document.documentElement.dataset.theme = state.theme;
  showLeaderboard();
  showComparisons();
  showAgreement();
  layMaps();
  setTheme(state.theme);
}
start();
