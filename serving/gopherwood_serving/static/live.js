// The page /status/live: numbers and lines from its stream of events. Nothing else is loaded, and nothing is sent.
"use strict";
(() => {
  const KEPT = 150, WIDTH = 600, HEIGHT = 120;
  const byId = (id) => document.getElementById(id);
  const samples = [];
  const number = (n) => n.toLocaleString("en");

  function line(id, values) {
    const most = Math.max(1, ...values), step = WIDTH / (KEPT - 1), first = KEPT - values.length;
    const points = values.map((v, i) => `${((first + i) * step).toFixed(1)},${(HEIGHT - 4 - (v / most) * (HEIGHT - 8)).toFixed(1)}`);
    byId(id).setAttribute("points", points.join(" "));
    return most;
  }

  function draw() {
    const last = samples[samples.length - 1];
    if (!last) return;
    for (const name of ["published", "due", "in_work", "workers", "damaged"]) byId(name).textContent = number(last[name]);
    for (const [state, count] of Object.entries(last.states)) {
      const cell = byId(`state-${state}`);
      if (cell) cell.textContent = number(count);
    }
    const open = line("open-line", samples.map((s) => s.due + s.in_work));
    byId("open-most").textContent = number(open);
    const grown = samples.map((s, i) => (i ? Math.max(0, s.published - samples[i - 1].published) : 0));
    byId("published-most").textContent = number(line("published-line", grown));
    byId("newest").replaceChildren(...last.newest.map((name) => {
      const item = document.createElement("li"), link = document.createElement("a");
      link.textContent = name;
      link.href = `/${name.split("/").map(encodeURIComponent).join("/").replace("%40", "@")}`;
      item.append(link);
      return item;
    }));
    byId("at").textContent = new Date(last.at).toLocaleTimeString();
  }

  function take(sample) {
    samples.push(sample);
    if (samples.length > KEPT) samples.shift();
  }

  function say(words) { byId("standing").textContent = words; }

  const stream = new EventSource("/status/live/events");
  stream.addEventListener("history", (event) => { samples.length = 0; JSON.parse(event.data).forEach(take); draw(); say("live"); });
  stream.addEventListener("message", (event) => { take(JSON.parse(event.data)); draw(); say("live"); });
  stream.addEventListener("away", () => say("the catalog does not answer"));
  stream.addEventListener("error", () => {
    say(stream.readyState === EventSource.CLOSED ? "not live: as many people look as may; trying again" : "connecting again");
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 15000);
  });
})();
