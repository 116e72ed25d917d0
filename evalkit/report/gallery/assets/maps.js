// The small multiples: one canvas for points and hulls, one above it for what is pointed at.
const CELLS = 64;
const maps = []; // {run, figure, base, over, scored, side, grid}

function indexed(run) {
  // Counting sort of the points into a square grid, for finding the one under the pointer.
  const n = run.xy.length / 2, starts = new Uint32Array(CELLS * CELLS + 1), members = new Uint32Array(n);
  const cell = (i) => (run.xy[2 * i] >> 10) + CELLS * (run.xy[2 * i + 1] >> 10);
  for (let i = 0; i < n; i++) starts[cell(i) + 1]++;
  for (let c = 0; c < CELLS * CELLS; c++) starts[c + 1] += starts[c];
  const next = starts.slice();
  for (let i = 0; i < n; i++) members[next[cell(i)]++] = i;
  return { starts, members };
}

function nearest(map, x, y, reach) {
  // (x, y) and reach in stored units; the nearest shown text within reach, or −1.
  map.grid ??= indexed(map.run);
  const { starts, members } = map.grid, xy = map.run.xy;
  const clamp = (v) => Math.max(0, Math.min(CELLS - 1, v >> 10));
  let best = -1, least = reach * reach;
  for (let row = clamp(y - reach); row <= clamp(y + reach); row++) {
    for (let c = row * CELLS + clamp(x - reach); c <= row * CELLS + clamp(x + reach); c++) {
      for (let m = starts[c]; m < starts[c + 1]; m++) {
        const i = members[m], far = (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;
        if (far < least && shownLabel(labelOf[i])) { least = far; best = i; }
      }
    }
  }
  return best;
}

const MARGIN = 0.06;
function prepared(canvas, side) {
  const scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(side * scale)) canvas.width = canvas.height = Math.round(side * scale);
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, side, side);
  return pen;
}
const placed = (side, value) => side * (MARGIN + (1 - 2 * MARGIN) * (value / 65535));

function area(corners) {
  let twice = 0;
  for (let c = 0, p = corners.length - 2; c < corners.length; p = c, c += 2) twice += corners[p] * corners[c + 1] - corners[c] * corners[p + 1];
  return Math.abs(twice) / 2;
}

function drawHulls(pen, map) {
  const { run, side } = map, few = data.labels.length <= 12 || state.labels.size > 0;
  // Where hulls lie over one another, each must be faint for all to be seen through.
  map.depth ??= Math.max(1, run.hulls.reduce((sum, corners) => sum + area(corners), 0) / (0.6 * 65535 ** 2));
  run.hulls.forEach((corners, label) => {
    if (!shownLabel(label) || corners.length < 4) return;
    pen.beginPath();
    for (let c = 0; c < corners.length; c += 2) pen.lineTo(placed(side, corners[c]), placed(side, corners[c + 1]));
    pen.closePath();
    pen.fillStyle = pen.strokeStyle = colours()[label];
    pen.globalAlpha = (few ? 0.12 : 0.03) / map.depth ** 0.6;
    pen.fill();
    pen.globalAlpha = (few ? 0.6 : 0.2) / map.depth ** 0.4;
    pen.lineWidth = 1;
    pen.stroke();
  });
}

function drawPoints(pen, map) {
  const { run, side } = map, n = run.xy.length / 2, palette = colours();
  const radius = n <= 60 ? 4 : n <= 600 ? 2.6 : n <= 4000 ? 1.7 : 1.1;
  pen.globalAlpha = n <= 600 ? 0.95 : n <= 4000 ? 0.75 : 0.5;
  let last = -1;
  for (const i of byLabel) {
    const label = labelOf[i];
    if (!shownLabel(label)) continue;
    if (label !== last) { pen.fillStyle = palette[label]; last = label; }
    const x = placed(side, run.xy[2 * i]), y = placed(side, run.xy[2 * i + 1]);
    if (n > 600) pen.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
    else { pen.beginPath(); pen.arc(x, y, radius, 0, 7); pen.fill(); }
  }
  pen.globalAlpha = 1;
}
const byLabel = Uint32Array.from(labelOf.keys()).sort((a, b) => labelOf[a] - labelOf[b] || a - b);

// Writing that covers no other writing: the first free place round an anchor.
function written(pen, taken, text, x, y, gaps, side, centred, room = 0) {
  const wide = pen.measureText(text).width + 4 + room, high = 14 + room;
  const tries = centred ? [[x, y]] : [];
  for (const gap of gaps) for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1], [-1, 1], [-1, -1]]) {
    tries.push([x + dx * (wide / 2 + gap), y + dy * (high / 2 + gap)]);
  }
  for (const [cx, cy] of tries) {
    const box = [cx - wide / 2, cy - high / 2, cx + wide / 2, cy + high / 2];
    if (box[0] < 1 || box[1] < 1 || box[2] > side - 1 || box[3] > side - 1) continue;
    if (taken.some((t) => t[0] < box[2] && t[2] > box[0] && t[1] < box[3] && t[3] > box[1])) continue;
    taken.push(box);
    return box;
  }
  return null;
}

function drawNames(pen, map) {
  const { run, side } = map, n = run.xy.length / 2, taken = [];
  const at = (i) => [placed(side, run.xy[2 * i]), placed(side, run.xy[2 * i + 1])];
  if (n <= 60) for (let i = 0; i < n; i++) { const [x, y] = at(i); taken.push([x - 4, y - 4, x + 4, y + 4]); }
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = `600 ${side < 260 ? 10 : side < 480 ? 11 : 13}px system-ui, "Liberation Sans", sans-serif`;
  const few = data.labels.length <= 12, order = data.labels.map((_, label) => label).filter(shownLabel)
    .sort((a, b) => data.sizes[b] - data.sizes[a] || a - b);
  for (const label of order) {
    const text = short(data.labels[label], side < 260 ? 16 : 26);
    const [x, y] = run.hearts[label].map((value) => placed(side, value));
    const box = written(pen, taken, text, x, y, few ? [2, 10, 20, 34, 50] : [0], side, few, few ? 0 : 9);
    if (!box) continue;
    pen.globalAlpha = 0.72;
    pen.fillStyle = css("--paper");
    const pad = few ? 0 : 4;
    pen.fillRect(box[0] + pad, box[1] + pad, box[2] - box[0] - 2 * pad, box[3] - box[1] - 2 * pad);
    pen.globalAlpha = 1;
    pen.fillStyle = inks()[label];
    pen.fillText(text, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2 + 0.5);
  }
  if (n > 60 || side < 300) return;
  pen.font = `${side < 480 ? 10 : 12}px system-ui, "Liberation Sans", sans-serif`;
  pen.fillStyle = css("--text");
  for (let i = 0; i < n; i++) {
    if (!shownLabel(labelOf[i])) continue;
    const [x, y] = at(i), text = short(data.texts[i], side < 480 ? 14 : 24);
    const box = written(pen, taken, text, x, y, [5, 8], side, false);
    if (box) pen.fillText(text, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2 + 0.5);
  }
}

function drawMap(map) {
  map.side = map.base.clientWidth;
  if (map.side === 0) return;
  const pen = prepared(map.base, map.side);
  drawHulls(pen, map);
  drawPoints(pen, map);
  drawNames(pen, map);
  drawOver(map);
}

function ring(pen, map, i, radius, width) {
  pen.beginPath();
  pen.arc(placed(map.side, map.run.xy[2 * i]), placed(map.side, map.run.xy[2 * i + 1]), radius, 0, 7);
  pen.lineWidth = width + 2;
  pen.strokeStyle = css("--paper");
  pen.stroke();
  pen.lineWidth = width;
  pen.strokeStyle = css("--text");
  pen.stroke();
}

function drawOver(map) {
  if (!map.side) return;
  const pen = prepared(map.over, map.side);
  for (const i of state.found) ring(pen, map, i, 4.5, 1.2);
  const chosen = [...new Set([state.pin, state.hover])].filter((i) => i >= 0);
  map.figure.dataset.highlight = chosen.at(-1) ?? "";
  for (const i of chosen) {
    ring(pen, map, i, 6.5, 2);
    pen.beginPath();
    pen.arc(placed(map.side, map.run.xy[2 * i]), placed(map.side, map.run.xy[2 * i + 1]), 4.5, 0, 7);
    pen.fillStyle = colours()[labelOf[i]];
    pen.fill();
    bubble(pen, map, i);
  }
}

function bubble(pen, map, i) {
  const text = short(data.texts[i].replace(/\s+/g, " "), Math.max(16, Math.floor(map.side / 11)));
  pen.font = '600 12px system-ui, "Liberation Sans", sans-serif';
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  const wide = pen.measureText(text).width + 12, y = placed(map.side, map.run.xy[2 * i + 1]);
  const left = Math.max(2, Math.min(map.side - wide - 2, placed(map.side, map.run.xy[2 * i]) - wide / 2));
  const top = y > 36 ? y - 32 : y + 12;
  pen.fillStyle = css("--text");
  pen.beginPath();
  pen.roundRect(left, top, wide, 21, 5);
  pen.fill();
  pen.fillStyle = css("--paper");
  pen.fillText(text, left + 6, top + 11);
}

function pointed(map, event) {
  const box = map.over.getBoundingClientRect(), inner = box.width * (1 - 2 * MARGIN);
  const stored = (value) => ((value - MARGIN * box.width) / inner) * 65535;
  return nearest(map, stored(event.clientX - box.left), stored(event.clientY - box.top), (16 / inner) * 65535);
}

function stepped(event) {
  // Arrow keys walk through the shown texts in their own order; Enter pins.
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    const n = data.texts.length;
    let i = state.hover >= 0 ? state.hover : state.pin >= 0 ? state.pin : step > 0 ? -1 : 0;
    for (let tried = 0; tried < n; tried++) {
      i = (i + step + n) % n;
      if (shownLabel(labelOf[i])) break;
    }
    change("hover", (s) => { s.hover = i; });
  } else if ((event.key === "Enter" || event.key === " ") && state.hover >= 0) {
    event.preventDefault();
    change("pin", (s) => { s.pin = s.pin === s.hover ? -1 : s.hover; });
  }
}

function figureOf(run, titled) {
  const base = make("canvas", { class: "base", "aria-hidden": "true" });
  const over = make("canvas", {
    class: "over", tabindex: "0", role: "img",
    "aria-label": `Map of ${run.model}, ${run.pooling}, ${run.projection}, seed ${run.seed}: arrow keys walk through the texts, Enter pins one`,
  });
  const scored = make("div", { class: "scored" });
  const figure = make("figure", { class: "map", "data-model": run.model, "data-folder": run.folder },
    make("div", { class: "plate" }, base, over),
    run.stamp ? make("p", { class: "stamp" }, run.stamp) : null,
    make("figcaption", {}, make("div", { title: run.folder }, titled), scored));
  const map = { run, figure, base, over, scored, side: 0 };
  over.addEventListener("pointermove", (event) => {
    const i = pointed(map, event);
    if (i !== state.hover) change("hover", (s) => { s.hover = i; });
  });
  over.addEventListener("pointerleave", () => { if (state.hover >= 0) change("hover", (s) => { s.hover = -1; }); });
  over.addEventListener("click", (event) => {
    const i = pointed(map, event);
    change("pin", (s) => { s.pin = i === s.pin ? -1 : i; });
  });
  over.addEventListener("keydown", stepped);
  over.addEventListener("blur", () => change("hover", (s) => { s.hover = -1; }));
  return map;
}

function modelOrder(models) {
  if (state.order === "name") return [...models].sort();
  if (state.order === "rank") return models;
  const sign = higherIsBetter(state.score) ? -1 : 1;
  const best = (model) => {
    const values = data.runs.filter((run) => run.model === model && shownRun(run))
      .map((run) => run.scores[state.score]?.value).filter((v) => v !== null && v !== undefined);
    return values.length ? Math.min(...values.map((v) => sign * v)) : Infinity;
  };
  return [...models].sort((a, b) => best(a) - best(b) || models.indexOf(a) - models.indexOf(b));
}

// A model whose texts have one vector each (tf-idf, random, precomputed) is the same under every pooling.
function unpooled(model) {
  return data.runs.every((run) => run.model !== model || run.pooling === "none");
}

function layMaps() {
  const host = byId("maps"), runs = data.runs.filter(shownRun);
  const columns = data.columns.filter((column) => runs.some((run) => run.column === column));
  const models = modelOrder(data.models.filter((model) => runs.some((run) => run.model === model)));
  maps.length = 0;
  const single = columns.length <= 1;
  host.classList.toggle("single", single);
  host.style.setProperty("grid-template-columns", single ? "" : `repeat(${columns.length}, minmax(var(--cell), calc(1.5 * var(--cell))))`);
  const children = single ? [] : columns.map((column) => make("div", { class: "column" }, column));
  for (const model of models) {
    if (!single) children.push(make("div", { class: "model" }, make("h3", {}, model)));
    for (const column of columns) {
      const here = runs.filter((run) => run.model === model && run.column === column);
      if (!here.length) { if (!single) children.push(make("div", { class: "missing" }, unpooled(model) ? "nothing to pool: as at the left" : "not run")); continue; }
      const laid = here.map((run) => figureOf(run, single ? make("h3", {}, model, make("span", { class: "beside" }, `${run.pooling === "none" ? "" : run.pooling + " · "}${column}`))
        : `${run.pooling === "none" ? "" : run.pooling + " · "}${run.projection} · seed ${run.seed}${here.length > 1 ? " · " + run.folder : ""}`));
      maps.push(...laid);
      children.push(single || laid.length === 1 ? laid[0].figure : make("div", {}, ...laid.map((map) => map.figure)));
      if (single) children.push(...laid.slice(1).map((map) => map.figure));
    }
  }
  host.replaceChildren(...(children.length ? children : [make("p", { class: "faint" }, "No map is left: the filters hide all.")]));
  scoreMaps();
  redraw();
}

let queued = 0;
function redraw() {
  // One map a frame keeps the page answering while many thousand points are drawn.
  const turn = ++queued, waiting = [...maps];
  const next = () => {
    if (turn !== queued) return;
    const started = performance.now();
    while (waiting.length && performance.now() - started < 12) drawMap(waiting.shift());
    if (waiting.length) requestAnimationFrame(next);
    else document.documentElement.dataset.drawn = String(turn);
  };
  next();
}

function scoreMaps() {
  for (const { run, scored } of maps) {
    const score = run.scores[state.score];
    scored.replaceChildren(...(score ? [make("span", {}, state.score), make("b", {}, number(score.value, 3)), make("span", { class: "faint" }, intervalText(score))]
      : [make("span", { class: "faint" }, `${state.score}: not scored in this run`)]));
  }
}

follow(["hover", "pin", "found"], () => maps.forEach(drawOver));
follow(["labels", "theme"], redraw);
follow(["filter", "order"], layMaps);
follow(["score"], () => (state.order === "score" ? layMaps() : scoreMaps()));
