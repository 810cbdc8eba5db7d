// The dashboard: asks for the reading each second and for the counters every third, draws, and says when nobody answers.
"use strict";
const $ = id => document.getElementById(id);
const EVERY = 1000, PATIENCE = 2500, KEEP = 900;        // ms, ms, seconds
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

let points = recall();          // {t: ms of this clock, v: value}; v null: nobody answered
let last = null;                // the latest reading
let heard = 0;                  // when it came
let mode = "value", span = 300, pointer = null;

function recall() {
  try { return JSON.parse(sessionStorage.points).filter(p => Date.now() - p.t < KEEP * 1000); } catch { return []; }
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(answer.status);
  return answer;
}

// ---- the reading
async function reading() {
  try {
    const now = await (await ask("/api/reading")).json();
    const t = Date.now();
    if (last && now.uptime_ms < last.uptime_ms) { points.push({ t: t - 1, v: null }); rows.clear(); $("rows").textContent = ""; }
    if (t - heard > 5000 && heard) points.push({ t: t - 1, v: null });
    points.push({ t, v: now.status & 1 ? now.value : null });
    last = now;
    heard = t;
    show();
  } catch {
    if (points.length && points.at(-1).v !== null) points.push({ t: Date.now(), v: null });
  }
  const first = points.findIndex(p => Date.now() - p.t < KEEP * 1000);
  if (first > 0) points.splice(0, first);
  try { sessionStorage.points = JSON.stringify(points); } catch { /* private mode */ }
  state();
  draw();
}

function show() {
  const text = last.status & 1 ? whole.format(last.value) : "–";
  $("name").textContent = document.title = last.name;
  $("identity").textContent = "id " + last.id.toString(16).padStart(8, "0") + " · " + location.host;
  $("source").textContent = last.source || "reading";
  $("value").textContent = text;
  $("value").style.setProperty("--digits", text.length);
  $("sequence").textContent = whole.format(last.sequence);
  $("uptime").textContent = age(last.uptime_ms / 1000);
  const recent = series(60).filter(p => p.v !== null), a = recent[0], b = recent.at(-1);
  $("trend").textContent = a && b.t - a.t > 5000
    ? (b.v < a.v ? "−" : "+") + short.format(Math.abs(b.v - a.v)) + " in the last " + Math.round((b.t - a.t) / 1000) + " s" : "\u00a0";
}

const bytes = n => n < 1 << 20 ? whole.format(n / 1024) + " KiB" : (n / (1 << 20)).toFixed(1) + " MiB";

function age(seconds) {
  const two = n => String(Math.floor(n)).padStart(2, "0"), days = Math.floor(seconds / 86400);
  return (days ? days + " d " : "") + two(seconds / 3600 % 24) + ":" + two(seconds / 60 % 60) + ":" + two(seconds % 60);
}

function state() {
  const silent = (Date.now() - heard) / 1000, gone = heard ? silent > 4 : performance.now() > 4000;
  const kind = gone ? "gone" : heard ? "live" : "wait";
  if ($("link").dataset.state !== kind) {
    $("link").dataset.state = kind;
    $("link").lastChild.textContent = { live: "live", wait: "connecting", gone: "no answer" }[kind];
    document.body.classList.toggle("old", gone && heard > 0);
  }
  $("link").title = gone && heard ? "silent for " + Math.round(silent) + " s" : "";
}

// ---- the chart
function series(seconds, rate) {
  const since = Date.now() - seconds * 1000;
  let list = points.filter(p => p.t >= since);
  if (rate) list = list.slice(1).map((p, i) => {
    const q = list[i];
    return { t: p.t, v: p.v === null || q.v === null || p.t - q.t < 50 ? null : (p.v - q.v) * 1000 / (p.t - q.t) };
  });
  return list;
}

function steps(low, high, count) {              // round numbers from low to high
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find(s => s * power >= rough) * power, list = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step / 1e6; v += step) list.push(v + 0);         // + 0: no "-0"
  return [list, step];
}

function draw() {
  const canvas = $("plot"), box = canvas.getBoundingClientRect(), scale = devicePixelRatio || 1;
  if (!box.width) return;
  if (canvas.width !== Math.round(box.width * scale) || canvas.height !== Math.round(box.height * scale)) {
    canvas.width = Math.round(box.width * scale);
    canvas.height = Math.round(box.height * scale);
  }
  const g = canvas.getContext("2d"), css = getComputedStyle(document.documentElement), color = n => css.getPropertyValue("--" + n).trim();
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, box.width, box.height);
  g.font = "12px " + getComputedStyle(document.body).fontFamily;
  const list = series(span, mode === "rate"), seen = list.filter(p => p.v !== null);
  const values = seen.length ? seen.map(p => p.v) : [0, 1];
  let low = Math.min(...values), high = Math.max(...values);
  if (seen.length) canvas.setAttribute("aria-label", (mode === "rate" ? "Change per second" : "Value") + ` over ${span / 60} minutes, now ` +
    `${whole.format(values.at(-1))}, between ${whole.format(low)} and ${whole.format(high)}`);
  const spare = (high - low) * .08 || Math.max(Math.abs(high) * .02, 1);
  low -= spare; high += spare;
  const [marks, step] = steps(low, high, 5);
  const name = v => v.toLocaleString("en", { maximumFractionDigits: Math.max(0, 1 - Math.floor(Math.log10(step))) });
  const left = Math.max(...marks.map(v => g.measureText(name(v)).width), 20) + 10, right = box.width - 4, top = 8, bottom = box.height - 24;
  const now = Date.now(), x = t => right - (now - t) / 1000 / span * (right - left), y = v => bottom - (v - low) / (high - low) * (bottom - top);

  g.fillStyle = color("quiet"); g.strokeStyle = color("edge"); g.lineWidth = 1; g.textBaseline = "middle"; g.textAlign = "right";
  for (const v of marks) {
    g.beginPath(); g.moveTo(left, y(v)); g.lineTo(right, y(v)); g.stroke();
    g.fillText(name(v), left - 8, y(v));
  }
  g.textBaseline = "alphabetic";
  for (let k = 0; k <= 4; k++) {
    const ago = span * (4 - k) / 4, at = x(now - ago * 1000);
    g.textAlign = k === 4 ? "right" : k ? "center" : "left";
    g.fillText(ago ? "−" + (ago % 60 ? ago < 60 ? ago + " s" : Math.floor(ago / 60) + ":" + String(ago % 60).padStart(2, "0") : ago / 60 + " min") : "now", at, box.height - 4);
  }

  g.save(); g.beginPath(); g.rect(left, 0, right - left + 4, box.height); g.clip();
  const fade = g.createLinearGradient(0, top, 0, bottom);
  fade.addColorStop(0, color("copper") + "50"); fade.addColorStop(1, color("copper") + "08");
  g.strokeStyle = color("copper"); g.fillStyle = fade; g.lineWidth = 2; g.lineJoin = "round";
  for (let i = 0; i < list.length;) {           // stretches without a gap
    let end = i;
    while (end < list.length && list[end].v !== null) end++;
    if (end > i) {
      const line = new Path2D();
      for (let k = i; k < end; k++) line.lineTo(x(list[k].t), y(list[k].v));
      const area = new Path2D(line);
      area.lineTo(x(list[end - 1].t), bottom); area.lineTo(x(list[i].t), bottom);
      g.fill(area); g.stroke(line);
    }
    i = end + 1;
  }
  let near = null;
  if (pointer !== null) for (const p of seen) if (!near || Math.abs(x(p.t) - pointer) < Math.abs(x(near.t) - pointer)) near = p;
  const dot = near || (list.length && list.at(-1).v !== null ? list.at(-1) : null);
  if (near) { g.strokeStyle = color("quiet"); g.lineWidth = 1; g.beginPath(); g.moveTo(x(near.t), top); g.lineTo(x(near.t), bottom); g.stroke(); }
  if (dot) { g.fillStyle = color("copper"); g.beginPath(); g.arc(x(dot.t), y(dot.v), 4, 0, 7); g.fill(); }
  g.restore();
  $("tip").hidden = !near;
  if (near) {
    $("tip").textContent = clock.format(near.t) + "  " + near.v.toLocaleString("en", { maximumFractionDigits: 2 });
    $("tip").style.left = Math.min(Math.max(x(near.t), left + 60), right - 60) + "px";
  }
}

// ---- the counters
const rows = new Map();         // name -> {row, total, rate, value}
let measured = 0, help;

async function counters() {
  let text;
  try {
    help ??= new Map((await (await ask("/counters.txt")).text()).split("\n").map(line => line.split(/ (.*)/)));
    text = await (await ask("/metrics")).text();
  } catch { return; }
  const t = performance.now(), seconds = measured ? (t - measured) / 1000 : 0, rate = {};
  measured = t;
  for (const line of text.split("\n")) {
    const [, name, rest] = line.match(/^(\w+) (\d+)$/) || [];
    if (!name) continue;
    let entry = rows.get(name);
    if (!entry) rows.set(name, entry = {});
    rate[name] = seconds && entry.value !== undefined ? Math.max(0, rest - entry.value) / seconds : 0;
    entry.value = +rest;
    if (!entry.row && help.has(name)) add(name, help.get(name), entry);
    if (entry.row) { entry.total.textContent = whole.format(rest); entry.rate.textContent = rate[name] ? short.format(rate[name]) : ""; }
  }
  const of = name => rows.get(name)?.value ?? 0;
  $("frames").textContent = seconds ? short.format(rate.rx_frames ?? 0) + " / " + short.format(rate.tx_frames ?? 0) : "–";
  $("requests").textContent = whole.format(of("http_requests"));
  $("open").textContent = whole.format(of("open_connections"));
  $("memory").textContent = bytes(of("heap_free_bytes"));
  filter();
}

function add(name, help, entry) {
  const row = $("rows").insertRow(), head = document.createElement("th");
  head.scope = "row"; head.textContent = name; head.title = help;
  row.append(head);
  row.insertCell().textContent = help;
  entry.total = row.insertCell(); entry.rate = row.insertCell(); entry.row = row; entry.text = name + " " + help.toLowerCase();
  if (/dropped(?!: other)|refused|failed|lost|overwritten|claimed|not sent|given up/.test(help)) row.dataset.kind = "lost";
}

function filter() {
  const wanted = $("search").value.trim().toLowerCase(), zeros = $("zeros").checked;
  let some = false;
  for (const { row, text, value } of rows.values()) if (row) {
    row.hidden = !(text.includes(wanted) && (zeros || value));
    some ||= !row.hidden;
  }
  $("none").hidden = some || !rows.size;
}

// ---- start
for (const button of document.querySelectorAll("button")) button.onclick = () => {
  for (const other of button.parentNode.children) other.ariaPressed = other === button;
  if (button.dataset.mode) mode = button.dataset.mode; else span = +button.dataset.span;
  draw();
};
$("search").oninput = $("zeros").onchange = filter;
$("plot").onpointermove = e => { pointer = e.offsetX; draw(); };
$("plot").onpointerleave = () => { pointer = null; draw(); };
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

let beat = 0;
async function tick() {
  const start = performance.now();
  if (!document.hidden) {
    await reading();
    if (heard && Date.now() - heard < PATIENCE && beat++ % 3 === 0) await counters();
  }
  setTimeout(tick, Math.max(100, EVERY - (performance.now() - start)));
}
tick();
