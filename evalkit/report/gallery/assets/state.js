// The data as the page holds them, and the one state that all parts follow.
const data = JSON.parse(document.getElementById("data").textContent);

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const uint16 = (text) => new Uint16Array(bytes(text).buffer);
const uint32 = (text) => new Uint32Array(bytes(text).buffer);

const labelOf = uint16(data.labelOf);
for (const run of data.runs) {
  run.xy = uint16(run.xy);
  if (run.near) run.near.of = run.near.wide === 2 ? uint16(run.near.of) : uint32(run.near.of);
}

const byId = (id) => document.getElementById(id);

// The only way in which this page makes elements: children are nodes or plain text, never markup.
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key === "class") node.className = value;
    else if (key === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (key === "look") for (const [name, look] of Object.entries(value)) node.style.setProperty(name, look);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const number = (value, digits = 2) => {
  if (value === null || value === undefined) return "–";
  const written = value.toFixed(digits);
  return (Number(written) === 0 ? written.replace("-", "") : written).replace("-", "−");
};
const whole = (value) => (value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en"));
const short = (text, length) => (text.length <= length ? text : text.slice(0, length - 1) + "…");

const state = {
  score: null, order: "rank", size: 320, theme: "light",
  hover: -1, pin: -1, found: [],
  labels: new Set(), // empty: all
  hidden: { model: new Set(), pooling: new Set(), projection: new Set() },
};

// Parts subscribe to what they draw; a change names what changed.
const followers = [];
const follow = (kinds, act) => followers.push({ kinds: new Set(kinds), act });
function change(kind, alter) {
  alter(state);
  for (const { kinds, act } of followers) if (kinds.has(kind)) act();
}

const shownRun = (run) => !state.hidden.model.has(run.model) && !state.hidden.pooling.has(run.pooling)
  && !state.hidden.projection.has(run.projection);
const shownEmbedding = (model, pooling) => !state.hidden.model.has(model) && !state.hidden.pooling.has(pooling);
const shownLabel = (label) => state.labels.size === 0 || state.labels.has(label);
const colours = () => data.colours[state.theme];
const inks = () => data.inks[state.theme];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// All scores, in the order in which the records hold them.
const scoreNames = [...new Set(data.runs.flatMap((run) => Object.keys(run.scores)))];
const higherIsBetter = (name) => data.runs.find((run) => run.scores[name])?.scores[name].higher_is_better !== false;
const leaderScores = data.leaderboard.length === 0 ? [] : Object.keys(data.leaderboard[0]).filter((c) => scoreNames.includes(c));
const firstScore = [data.rankBy, ...leaderScores, ...scoreNames].find((name) => scoreNames.includes(name));

const labelCode = new Map(data.labels.map((name, code) => [name, code]));
function swatch(code) {
  return make("span", { class: "swatch", look: { background: code === undefined ? "var(--line)" : colours()[code] } });
}
function intervalText(score) {
  if (score.chance === null && score.ci_low === null) return "no chance level";
  const parts = [];
  if (score.chance !== null && score.chance !== undefined) parts.push(`chance ${number(score.chance)}`);
  if (score.ci_low !== null && score.ci_low !== undefined) parts.push(`95 % ${number(score.ci_low)} to ${number(score.ci_high)}`);
  return parts.join(" · ");
}
function options(select, values, chosen, spoken = (value) => value) {
  select.replaceChildren(...values.map((value) => make("option", { value, selected: value === chosen ? "" : null }, spoken(value))));
}
