// Leaderboard, comparisons, agreement and topics: tables whose cells are drawn from the report's numbers.
const SVG = "http://www.w3.org/2000/svg";
function drawn(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

let sorting = { column: "rank", down: false };

function whisker(row, name, low, high) {
  // Dot = value, line = 95 % interval, short upright line = chance.
  const at = (v) => `${(2 + 96 * ((v - low) / (high - low || 1))).toFixed(2)}%`;
  const value = row[name], chance = row[`${name}.chance`], from = row[`${name}.ci_low`], to = row[`${name}.ci_high`];
  const svg = drawn("svg", { role: "img", "aria-label": `${number(value, 3)}, ${intervalText({ chance: chance ?? null, ci_low: from ?? null, ci_high: to ?? null })}` });
  svg.append(drawn("line", { x1: "2%", x2: "98%", y1: 13, y2: 13, stroke: "var(--line)" }));
  if (chance !== null && chance !== undefined) svg.append(drawn("line", { x1: at(chance), x2: at(chance), y1: 5, y2: 21, stroke: "var(--faint)", "stroke-dasharray": "2 2" }));
  if (from !== null && from !== undefined) svg.append(drawn("line", { x1: at(from), x2: at(to), y1: 13, y2: 13, stroke: "var(--accent)", "stroke-width": 5, "stroke-opacity": ".38", "stroke-linecap": "round" }));
  if (value !== null && value !== undefined) svg.append(drawn("circle", { cx: at(value), cy: 13, r: 4.5, fill: "var(--accent)" }));
  return svg;
}

function sortHeader(column, spoken, numeric, className = "", remark = null) {
  const active = sorting.column === column;
  return make("th", { scope: "col", class: `${numeric ? "number " : ""}${className}`, "aria-sort": active ? (sorting.down ? "descending" : "ascending") : null },
    make("button", { type: "button", "data-column": column, on: { click: () => {
      sorting = { column, down: active ? !sorting.down : numeric && column !== "rank" && higherIsBetter(column) };
      showLeaderboard();
      byId("leaderboard").querySelector(`[data-column="${CSS.escape(column)}"]`)?.focus();
    } } }, spoken), remark ? make("span", { class: "beside" }, remark) : null);
}

function sortedLeaders() {
  const rows = data.leaderboard.filter((row) => shownEmbedding(String(row.model), String(row.pooling)));
  const sign = sorting.down ? -1 : 1, key = sorting.column;
  return rows.map((row, place) => ({ row, place })).sort((a, b) => {
    const x = a.row[key] ?? null, y = b.row[key] ?? null;
    if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place;
    return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y))) || a.place - b.place;
  }).map(({ row }) => row);
}

const PREFERRED = ["neighbours/map_at_r_macro", "neighbours/precision_at_5", "separation/silhouette", "clustering/ami", "hulls/overlap"];
const SPOKEN = { "hulls/overlap": "hull overlap", "clustering/ami": "AMI", "clustering/ari": "ARI" };
const FACTS = [["texts_per_second", "texts/s", whole], ["dimension", "dimension", whole], ["parameters", "weights", (v) => (v >= 1e6 ? `${(v / 1e6).toFixed(0)} M` : whole(v))]];

function showLeaderboard() {
  const rows = sortedLeaders(), host = byId("leaderboard");
  if (data.leaderboard.length === 0) {
    host.replaceChildren(make("p", { class: "faint" }, "There is no leaderboard for these runs."));
    return;
  }
  const shown = leaderScores.includes(state.score) ? state.score : leaderScores.includes(firstScore) ? firstScore : leaderScores[0];
  const others = [...PREFERRED, ...leaderScores].filter((name, i, all) => name !== shown && leaderScores.includes(name) && all.indexOf(name) === i).slice(0, 4);
  const facts = FACTS.filter(([name]) => data.leaderboard.some((row) => typeof row[name] === "number"));
  const values = shown ? data.leaderboard.flatMap((row) => [row[shown], row[`${shown}.chance`], row[`${shown}.ci_low`], row[`${shown}.ci_high`]]).filter((v) => typeof v === "number") : [];
  const low = Math.min(0, ...values), high = Math.max(higherIsBetter(shown) ? Math.min(1, Math.max(...values) * 1.15) : 0, ...values);
  const shared = (rank) => rows.filter((row) => row.rank === rank).length > 1;
  const head = make("tr", {}, sortHeader("rank", "Rank", true), sortHeader("model", "Model", false), sortHeader("pooling", "Pooling", false),
    ...(shown ? [sortHeader(shown, shown.split("/").pop(), true, "", shown.split("/")[0]), make("th", { scope: "col", class: "whisker" }, make("div", { class: "ends" }, make("span", {}, number(low)), make("span", {}, "95 %"), make("span", {}, number(high))))] : []),
    ...others.map((name) => sortHeader(name, SPOKEN[name] ?? name.split("/").pop().replaceAll("_", " "), true, "", higherIsBetter(name) ? null : "low is good")), ...facts.map(([name, spoken]) => sortHeader(name, spoken, true)));
  const body = rows.map((row, i) => {
    const tie = shared(row.rank) || Boolean(row.tied_with), joined = tie && i > 0 && rows[i - 1].rank === row.rank;
    const cell = (name) => make("td", { class: "number" }, number(row[name] ?? null, 3), make("span", { class: "beside" }, `chance ${number(row[`${name}.chance`] ?? null)}`));
    return make("tr", { class: joined ? "tied" : null, "data-model": row.model },
      make("td", { class: `rank${tie ? " shared" : ""}`, title: tie ? "not told apart from another: the difference may be chance" : null }, String(row.rank ?? "–")),
      make("th", { scope: "row" }, String(row.model), row.tied_with ? make("span", { class: "beside tie" }, `tied with ${row.tied_with}`) : null), make("td", {}, row.pooling === "none" ? "–" : String(row.pooling)),
      ...(shown ? [cell(shown), make("td", { class: "whisker" }, whisker(row, shown, low, high))] : []),
      ...others.map(cell), ...facts.map(([name, , spoken]) => make("td", { class: "number" }, typeof row[name] === "number" ? spoken(row[name]) : "–",
        name === "dimension" && typeof row.bytes_per_text === "number" ? make("span", { class: "beside" }, `${whole(row.bytes_per_text)} bytes`) : null)));
  });
  host.replaceChildren(make("table", { class: "leaders" }, make("thead", {}, head), make("tbody", {}, ...body)));
  const ties = rows.some((row) => shared(row.rank) || row.tied_with);
  byId("leaderboard-note").textContent = `${data.rankBy ? `Ranked by ${data.rankBy}. ` : ""}${shown ? "Bar: 95 % interval; dashed: chance. " : ""}${ties ? "Models marked as tied (bar at the left) cannot be told apart on these texts. " : ""}${higherIsBetter(shown) ? "Higher is better" : "Lower is better"} in ${shown ?? "no score"}.${state.score !== shown ? ` ${state.score} is not in the leaderboard; it stands under each map.` : ""}`;
}

function matrix(className, names, spoken, cell) {
  return make("table", { class: `grid ${className}` },
    make("thead", {}, make("tr", {}, make("td", {}), ...names.map((name) => make("th", { scope: "col" }, make("span", {}, spoken(name)))))),
    make("tbody", {}, ...names.map((a) => make("tr", {}, make("th", { scope: "row" }, spoken(a)), ...names.map((b) => cell(a, b))))));
}

const compared = { score: null, pooling: null };
function showComparisons() {
  const rows = data.comparisons, host = byId("comparisons");
  if (!rows.length) {
    host.replaceChildren(make("p", { class: "faint" }, "Nothing to compare: a comparison needs two models with the same pooling."));
    byId("comparisons-controls").replaceChildren();
    return;
  }
  const scores = [...new Set(rows.map((row) => row.score))];
  if (!scores.includes(compared.score)) compared.score = scores.includes(state.score) ? state.score : scores[0];
  const poolings = [...new Set(rows.filter((row) => row.score === compared.score).map((row) => row.pooling ?? ""))];
  if (!poolings.includes(compared.pooling)) compared.pooling = poolings[0];
  const choose = (kind, values) => {
    const select = make("select", { id: `compared-${kind}`, on: { change: (event) => { compared[kind] = event.target.value; showComparisons(); byId(`compared-${kind}`)?.focus(); } } });
    options(select, values, compared[kind], (value) => value || "–");
    return make("label", {}, `${kind === "score" ? "Score" : "Pooling"} `, select);
  };
  byId("comparisons-controls").replaceChildren(choose("score", scores), ...(poolings.length > 1 ? [choose("pooling", poolings)] : []));
  const here = rows.filter((row) => row.score === compared.score && (row.pooling ?? "") === compared.pooling);
  const found = new Map();
  for (const row of here) {
    found.set(`${row.model_a}\n${row.model_b}`, { ...row, sign: 1 });
    found.set(`${row.model_b}\n${row.model_a}`, { ...row, sign: -1 });
  }
  const present = new Set(here.flatMap((row) => [row.model_a, row.model_b]));
  const names = [...data.models.filter((model) => present.has(model)), ...[...present].filter((model) => !data.models.includes(model))].filter((model) => !state.hidden.model.has(model));
  const better = higherIsBetter(compared.score) ? 1 : -1;
  host.replaceChildren(matrix("comparison", names, (name) => name, (a, b) => {
    if (a === b) return make("td", { class: "self" }, "·");
    const row = found.get(`${a}\n${b}`);
    if (!row || typeof row.difference !== "number") return make("td", { class: "level" }, "–");
    const p = row.p_holm ?? row.p_value, real = typeof p === "number" && p < 0.05, difference = row.sign * row.difference;
    const ends = typeof row.ci_low === "number" ? (row.sign > 0 ? [row.ci_low, row.ci_high] : [-row.ci_high, -row.ci_low]) : null;
    return make("td", { class: real ? (better * difference > 0 ? "better" : "worse") : "level", title: row.verdict },
      `${difference > 0 ? "+" : ""}${number(difference, 3)}`,
      make("span", { class: "beside" }, ends ? `${number(ends[0])} to ${number(ends[1])}` : ""),
      make("span", { class: "beside" }, typeof p === "number" ? (p < 0.001 ? "p < 0.001" : `p ${number(p, 3)}`) : ""));
  }));
  const said = here.filter((row) => row.verdict && !state.hidden.model.has(row.model_a) && !state.hidden.model.has(row.model_b));
  if (said.length) host.append(make("ul", { class: "verdicts" }, ...said.slice(0, 15).map((row) => make("li", {}, make("b", {}, `${row.model_a}, ${row.model_b}: `), row.verdict))));
  byId("comparisons-note").textContent = "Row minus column, with its 95 % interval and p after Holm's correction. Coloured where p < 0.05 (green: the row is better; brown: the column is); grey where the two cannot be told apart.";
}

let measure = "cka";
function showAgreement() {
  const rows = data.agreement, host = byId("agreement");
  if (!rows.length) {
    host.replaceChildren(make("p", { class: "faint" }, "Agreement needs two different embeddings of the texts."));
    return;
  }
  const key = (model, pooling) => `${model}\n${pooling ?? "none"}`, found = new Map();
  for (const row of rows) {
    found.set(`${key(row.model_a, row.pooling_a)}\n${key(row.model_b, row.pooling_b)}`, row);
    found.set(`${key(row.model_b, row.pooling_b)}\n${key(row.model_a, row.pooling_a)}`, row);
  }
  const present = [...new Set(rows.flatMap((row) => [key(row.model_a, row.pooling_a), key(row.model_b, row.pooling_b)]))]
    .filter((name) => shownEmbedding(...name.split("\n"))).sort((a, b) => data.models.indexOf(a.split("\n")[0]) - data.models.indexOf(b.split("\n")[0]) || (a < b ? -1 : 1));
  const pooled = new Set(present.map((name) => name.split("\n")[0])).size < present.length;
  const spoken = (name) => { const [model, pooling] = name.split("\n"); return pooled && pooling !== "none" ? `${model} · ${pooling}` : model; };
  const select = make("select", { id: "measure", on: { change: (event) => { measure = event.target.value; showAgreement(); byId("measure").focus(); } } });
  options(select, ["cka", "overlap"], measure, (value) => (value === "cka" ? "debiased linear CKA" : "shared neighbours (of 10)"));
  byId("agreement-controls").replaceChildren(make("label", {}, "Measure ", select));
  host.replaceChildren(matrix("heat", present, spoken, (a, b) => {
    if (a === b) return make("td", { class: "self" }, "·");
    const row = found.get(`${a}\n${b}`), value = row?.[measure];
    if (typeof value !== "number") return make("td", { class: "level" }, "–");
    return make("td", { look: { "--share": (0.6 * Math.max(0, Math.min(1, value))).toFixed(3) } }, number(value),
      make("span", { class: "beside" }, `chance ${number(row[`${measure}_chance`] ?? null)}`));
  }));
  byId("agreement-note").textContent = "1: the two arrange the texts alike; chance: what the same vectors score when the texts are shuffled.";
}

function showTopics() {
  const rows = data.topics, host = byId("topics");
  if (!rows.length) {
    host.replaceChildren(make("p", { class: "faint" }, "No table of neighbouring topics was made for these runs."));
    return;
  }
  const share = (row) => row.share ?? row["share of runs"] ?? row.share_of_runs ?? null;
  const note = byId("topics-note");
  const named = (name) => make("span", {}, swatch(labelCode.get(name)), name);
  if (data.labels.length <= 30) {
    const found = new Map(rows.map((row) => [`${row.topic}\n${row.nearest}`, row]));
    host.replaceChildren(matrix("heat topic-grid", data.labels, (name) => name, (a, b) => {
      if (a === b) return make("td", { class: "self" }, "·");
      const row = found.get(`${a}\n${b}`), value = row ? share(row) : 0;
      return make("td", { look: { "--share": (0.7 * (value ?? 0)).toFixed(3) }, title: row ? `${a}: nearest is ${b} in ${number(100 * value, 0)} % of runs; each other's nearest in ${number(row.mutual_share === null || row.mutual_share === undefined ? null : 100 * row.mutual_share, 0)} %, p ${number(row.p_value ?? null, 3)}` : null },
        value ? `${number(100 * value, 0)} %` : "");
    }));
    note.textContent = "Row: a topic. Column: its nearest other topic by centroid, in % of the models and seeds.";
    return;
  }
  const top = [...rows].sort((a, b) => (b.mutual_share ?? 0) - (a.mutual_share ?? 0) || (share(b) ?? 0) - (share(a) ?? 0)).slice(0, 30);
  host.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...["Topic", "Nearest topic", "share of runs", "each other's nearest", "p"].map((name, i) => make("th", { scope: "col", class: i > 1 ? "number" : null }, name)))),
    make("tbody", {}, ...top.map((row) => make("tr", {}, make("td", {}, named(row.topic)), make("td", {}, named(row.nearest)),
      ...[share(row), row.mutual_share].map((v) => make("td", { class: "number" }, v === null || v === undefined ? "–" : `${number(100 * v, 0)} %`)), make("td", { class: "number" }, number(row.p_value ?? null, 3)))))));
  note.textContent = `The ${top.length} pairs that are most often each other's nearest topic, of ${rows.length}.`;
}

follow(["score", "filter"], showLeaderboard);
follow(["filter"], showComparisons);
follow(["filter"], showAgreement);
follow(["theme"], showTopics);
