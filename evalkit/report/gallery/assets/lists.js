// Nearest texts side by side: of the queries, or of a text that was pinned.
const listed = { query: 0, picked: false };

function embeddings() {
  // Neighbours belong to model and pooling; projections and seeds of maps share them.
  const seen = new Map();
  for (const run of data.runs.filter(shownRun)) if (!seen.has(`${run.model}\n${run.pooling}`)) seen.set(`${run.model}\n${run.pooling}`, run);
  return [...seen.values()];
}

function item(text, label, similarity, index) {
  const code = labelCode.get(label);
  return make("li", { class: index >= 0 ? "linked" : null, title: `${label}: ${text}`, "data-label": label, on: index >= 0 ? {
    pointerenter: () => change("hover", (s) => { s.hover = index; }), pointerleave: () => change("hover", (s) => { s.hover = -1; }),
    click: () => change("pin", (s) => { s.pin = index; }) } : {} },
    make("i", { look: { width: similarity === null ? "100%" : `${Math.max(0, Math.min(1, similarity)) * 100}%`, background: code === undefined ? "var(--line)" : colours()[code] } }),
    make("span", {}, swatch(code), text), similarity === null ? null : make("small", {}, number(similarity)));
}

function card(run, items, remark) {
  const pooling = run.pooling === "none" ? "" : ` · ${run.pooling}`;
  return make("div", { class: "card", "data-model": run.model }, make("h3", {}, run.model, make("span", { class: "faint" }, pooling)),
    make("ol", {}, ...items), remark ? make("p", { class: "faint" }, remark) : null);
}

const textIndex = new Map();
data.texts.forEach((text, i) => { if (!textIndex.has(text)) textIndex.set(text, i); });

function showLists() {
  const queries = [...new Set(data.runs.flatMap((run) => run.queries.map((entry) => entry.query)))];
  const host = byId("neighbours"), controls = byId("neighbours-controls");
  const picked = state.pin >= 0 && (listed.picked || !queries.length);
  const choices = [...queries.map((query, i) => ({ value: String(i), spoken: query })), ...(state.pin >= 0 ? [{ value: "picked", spoken: `pinned: ${short(data.texts[state.pin], 60)}` }] : [])];
  if (!choices.length) {
    controls.replaceChildren();
    host.replaceChildren(make("p", { class: "faint" }, data.runs.some((run) => run.near) ? "No queries were given. Pin a text on a map (click it) to see its nearest texts in every model." : "No queries were given."));
    return;
  }
  const select = make("select", { id: "query", on: { change: (event) => {
    listed.picked = event.target.value === "picked";
    if (!listed.picked) listed.query = Number(event.target.value);
    showLists();
    byId("query").focus();
  } } });
  options(select, choices.map((choice) => choice.value), picked ? "picked" : String(listed.query), (value) => choices.find((choice) => choice.value === value).spoken);
  controls.replaceChildren(make("label", {}, "Nearest to ", select), make("span", { class: "faint" }, picked ? "in the vectors, nearest first" : "by cosine in the vectors, nearest first; bars run from 0 to 1"));
  host.replaceChildren(make("div", { class: "cards" }, ...embeddings().map((run) => (picked ? pickedCard(run) : queryCard(run, queries[listed.query])))));
}

function queryCard(run, query) {
  const entry = run.queries.find((candidate) => candidate.query === query);
  if (!entry) return card(run, [], "not asked in this run");
  return card(run, entry.neighbours.map((n) => item(n.text, n.label, n.similarity, textIndex.get(n.text) ?? -1)));
}

function pickedCard(run) {
  if (!run.near) return card(run, [], "no neighbours were kept");
  const of = run.near.of.subarray(state.pin * run.near.k, (state.pin + 1) * run.near.k);
  const known = [...of].filter((i) => i < data.texts.length);
  return card(run, known.map((i) => item(data.texts[i], data.labels[labelOf[i]], null, i)),
    known.length < of.length ? `${of.length - known.length} of ${of.length} are outside the sample` : null);
}

follow(["filter", "theme"], showLists);
follow(["pin"], () => { listed.picked = state.pin >= 0; showLists(); });
