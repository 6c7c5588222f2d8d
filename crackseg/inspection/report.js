"use strict";

const PER_PAGE = 50;
const GRADES = ["NG", "CANNOT JUDGE", "WARN", "OK", "SKIPPED"];
const STYLES = { "NG": "bad", "CANNOT JUDGE": "unsure", "WARN": "warn", "OK": "good", "SKIPPED": "" };
const SVG = "http://www.w3.org/2000/svg";

const get = id => document.getElementById(id);
const data = JSON.parse(get("data").textContent);
const unit = data.unit;
const rows = data.rows.map((row, index) => ({
  index, name: row[0], verdict: row[1], reasons: row[2], cracks: row[3], length: row[4], width: row[5],
  share: row[6], overlay: row[7], size: row[8],
}));
const columns = [
  { title: "Image" },
  { title: "File", key: "name" },
  { title: "Verdict", key: "verdict" },
  { title: "Cracks", key: "cracks", digits: 0 },
  { title: "Longest, " + unit, key: "length", digits: data.digits },
  { title: "Widest, " + unit, key: "width", digits: data.digits },
  { title: "Crack area, %", key: "share", digits: 2 },
];
const blocks = new Map();
const state = { rows, page: 0, verdict: null, key: "verdict", descending: false };

function make(tag, text, style) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (style) element.className = style;
  return element;
}

function thumbnail(index) {
  const number = Math.floor(index / data.per_block);
  if (!blocks.has(number)) {
    const element = get("t" + number);
    blocks.set(number, element ? JSON.parse(element.textContent) : []);
  }
  const code = blocks.get(number)[index % data.per_block];
  return code ? "data:image/webp;base64," + code : null;
}

function compare(a, b) {
  const { key } = state;
  const sign = state.descending ? -1 : 1;
  let left = a[key], right = b[key];
  if (key === "verdict") {
    left = GRADES.indexOf(left);
    right = GRADES.indexOf(right);
  }
  if (left === null || right === null) {
    if (left !== right) return left === null ? 1 : -1;
  } else if (left !== right) {
    return left < right ? -sign : sign;
  }
  if (key === "verdict") return (b.width ?? -1) - (a.width ?? -1) || a.index - b.index;
  return a.index - b.index;
}

function update() {
  const text = get("search").value.toLowerCase();
  const matches = row => row.name.toLowerCase().includes(text) || row.reasons.join(" ").toLowerCase().includes(text);
  state.rows = rows.filter(row => (!state.verdict || row.verdict === state.verdict) && (!text || matches(row)));
  state.rows.sort(compare);
  state.page = 0;
  draw();
}

function linkTo(row, content) {
  if (!row.overlay) return content;
  const link = make("a");
  link.href = row.overlay;
  link.target = "_blank";
  link.rel = "noopener";
  link.append(content);
  return link;
}

function imageCell(row) {
  const cell = make("td");
  const source = thumbnail(row.index);
  if (source) {
    const image = make("img");
    image.src = source;
    image.loading = "lazy";
    image.alt = row.cracks ? "Cracks in " + row.name : row.name;
    cell.append(linkTo(row, image));
  }
  return cell;
}

function nameCell(row) {
  const cell = make("td", undefined, "name");
  cell.append(linkTo(row, make("span", row.name)));
  if (row.size) cell.append(make("div", row.size, "soft"));
  return cell;
}

function verdictCell(row) {
  const cell = make("td", undefined, "text");
  cell.append(make("span", row.verdict, "badge " + STYLES[row.verdict]));
  if (row.reasons.length) {
    const list = make("ul", undefined, "soft");
    row.reasons.forEach(reason => list.append(make("li", reason)));
    cell.append(list);
  }
  return cell;
}

function numberCell(row, column) {
  const value = row[column.key];
  const cell = make("td", value === null ? "–" : value.toFixed(column.digits), "number");
  cell.dataset.label = column.title;
  return cell;
}

function tableRow(row) {
  const element = make("tr");
  element.append(imageCell(row), nameCell(row), verdictCell(row));
  columns.slice(3).forEach(column => element.append(numberCell(row, column)));
  return element;
}

function draw() {
  const last = Math.max(0, Math.ceil(state.rows.length / PER_PAGE) - 1);
  state.page = Math.min(Math.max(state.page, 0), last);
  const start = state.page * PER_PAGE;
  get("rows").replaceChildren(...state.rows.slice(start, start + PER_PAGE).map(tableRow));
  get("page").textContent = "Page " + (state.page + 1) + " of " + (last + 1);
  get("back").disabled = state.page === 0;
  get("next").disabled = state.page === last;
  const all = rows.length + (rows.length === 1 ? " file" : " files");
  get("count").textContent = state.rows.length === rows.length ? all : state.rows.length + " of " + all;
  document.querySelectorAll("#verdicts button").forEach(button =>
    button.setAttribute("aria-pressed", String((button.dataset.verdict || null) === state.verdict)));
  document.querySelectorAll("#head th").forEach(head => {
    const order = state.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", head.dataset.key === state.key ? order : "none");
  });
}

function turnPage(step) {
  state.page += step;
  draw();
  scrollTo(0, get("count").offsetTop);
}

function sortBy(key, descending) {
  state.key = key;
  state.descending = descending;
  get("sort").value = key;
  update();
}

// The first click shows what matters most: great numbers, grave verdicts, names from A.
const descendsFirst = key => key !== "name" && key !== "verdict";

function makeVerdictButtons() {
  const counts = {};
  rows.forEach(row => { counts[row.verdict] = (counts[row.verdict] || 0) + 1; });
  [null, ...GRADES.filter(verdict => counts[verdict])].forEach(verdict => {
    const button = make("button", undefined, "edge " + (verdict ? STYLES[verdict] : ""));
    button.type = "button";
    if (verdict) button.dataset.verdict = verdict;
    button.append(make("b", verdict ? counts[verdict] : rows.length), make("span", verdict || "all"));
    button.onclick = () => { state.verdict = verdict; update(); };
    get("verdicts").append(button);
  });
}

function makeHead() {
  columns.forEach(({ title, key }) => {
    const head = make("th");
    head.scope = "col";
    if (key) {
      head.dataset.key = key;
      const button = make("button", title);
      button.type = "button";
      button.onclick = () => sortBy(key, state.key === key ? !state.descending : descendsFirst(key));
      head.append(button);
      const option = make("option", "Sort by: " + title);
      option.value = key;
      get("sort").append(option);
    } else {
      head.append(make("div", title));
    }
    get("head").append(head);
  });
  get("sort").value = state.key;
  get("sort").onchange = event => sortBy(event.target.value, descendsFirst(event.target.value));
}

function addTo(parent, tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function drawHistogram() {
  const widths = rows.map(row => row.width).filter(width => width);
  if (!widths.length) return;
  const top = widths.reduce((a, b) => Math.max(a, b));
  const step = 10 ** Math.floor(Math.log10(top / 5));
  const bin = [1, 2, 5, 10].map(factor => factor * step).find(size => top / size <= 24);
  const counts = new Array(Math.floor(top / bin) + 1).fill(0);
  widths.forEach(width => counts[Math.min(counts.length - 1, Math.floor(width / bin))]++);
  const most = Math.max(...counts);
  const wide = 640 / counts.length;
  const edge = i => +(i * bin).toPrecision(6);
  const chart = document.createElementNS(SVG, "svg");
  chart.setAttribute("viewBox", "0 0 680 186");
  chart.setAttribute("width", "736");
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", "Histogram of the widest crack of " + widths.length + " images, up to "
    + top.toFixed(data.digits) + " " + unit);
  counts.forEach((count, i) => {
    const tall = 130 * count / most;
    const bar = addTo(chart, "rect",
      { x: 20 + i * wide + 1, y: 145 - tall, width: Math.max(1, wide - 2), height: tall, fill: "var(--bar)" });
    addTo(bar, "title", {}, count + (count === 1 ? " image from " : " images from ") + edge(i) + " to " + edge(i + 1) + " " + unit);
    const label = wide > 24 || count === most ? count : "";
    if (count) addTo(chart, "text", { x: 20 + (i + 0.5) * wide, y: 141 - tall, "text-anchor": "middle" }, label);
    if (i % Math.ceil(counts.length / 10) === 0) {
      addTo(chart, "text", { x: 20 + i * wide, y: 162, "text-anchor": "middle" }, edge(i));
    }
  });
  addTo(chart, "text", { x: 340, y: 178, "text-anchor": "middle" }, "widest crack of an image, " + unit);
  get("histogram").append(make("h2", "Widths"), chart);
}

makeVerdictButtons();
makeHead();
drawHistogram();
get("search").oninput = update;
get("back").onclick = () => turnPage(-1);
get("next").onclick = () => turnPage(1);
update();
