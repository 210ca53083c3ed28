"use strict";

// A thumbnail is one cell of a sprite sheet, shown `scale` times as large.
function showCell(element, index, cell, columns, scale) {
  const size = cell * scale;
  element.style.width = element.style.height = `${size}px`;
  element.style.backgroundSize = `${columns * size}px auto`;
  element.style.backgroundPosition = `${-(index % columns) * size}px ${-Math.floor(index / columns) * size}px`;
}

function make(tag, text, className) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

// Tables: a heading sorts by its column, numbers largest first, and once more the other way.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    if (!heading.dataset.sort) return;
    const button = make("button", heading.textContent);
    button.type = "button";
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const numeric = heading.dataset.sort === "number";
      const before = heading.getAttribute("aria-sort");
      const descending = before ? before === "ascending" : numeric;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value;
      const compare = numeric ? (a, b) => value(a) - value(b) : (a, b) => value(a).localeCompare(value(b));
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) => (descending ? compare(b, a) : compare(a, b))));
    });
  });
}

// Scatter plots: hover, tap or use the legend.
for (const figure of document.querySelectorAll("[data-scatter]")) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const canvas = figure.querySelector("canvas");
  const tip = figure.querySelector(".tip");
  const hidden = new Set();
  const margin = 14;
  let places = [];
  let chosen = -1;

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    places = data.points.map(([x, y]) => [margin + x * (width - 2 * margin), height - margin - y * (height - 2 * margin)]);
    context.globalAlpha = 0.75;
    places.forEach(([x, y], i) => {
      if (hidden.has(data.labels[i])) return;
      context.fillStyle = data.colours[data.labels[i]];
      context.beginPath();
      context.arc(x, y, 3, 0, 2 * Math.PI);
      context.fill();
    });
    if (chosen < 0) return;
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.strokeStyle = "#222";
    context.beginPath();
    context.arc(...places[chosen], 6, 0, 2 * Math.PI);
    context.stroke();
  }

  function choose(event) {
    const box = canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let nearest = -1, least = 14 ** 2;
    places.forEach((place, i) => {
      const distance = (place[0] - x) ** 2 + (place[1] - y) ** 2;
      if (distance < least && !hidden.has(data.labels[i])) [nearest, least] = [i, distance];
    });
    if (nearest === chosen) return;
    chosen = nearest;
    tip.hidden = chosen < 0;
    draw();
    if (chosen < 0) return;
    tip.querySelector("b").textContent = data.classes[data.labels[chosen]];
    tip.querySelector("small").textContent = data.files[chosen];
    const image = tip.querySelector(".cell");
    if (image) showCell(image, chosen, data.cell, data.columns, 96 / data.cell);
    const [left, top] = places[chosen];
    tip.style.left = `${Math.max(0, Math.min(left + 10, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${top + 12 + tip.offsetHeight > box.height ? top - tip.offsetHeight - 12 : top + 12}px`;
  }

  data.classes.forEach((name, label) => {
    const button = make("button", name);
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.style.setProperty("--colour", data.colours[label]);
    button.addEventListener("click", () => {
      if (!hidden.delete(label)) hidden.add(label);
      button.setAttribute("aria-pressed", String(!hidden.has(label)));
      draw();
    });
    figure.querySelector(".legend").append(button);
  });
  canvas.addEventListener("pointermove", choose);
  canvas.addEventListener("pointerdown", choose);
  canvas.addEventListener("pointerleave", () => { chosen = -1; tip.hidden = true; draw(); });
  new ResizeObserver(draw).observe(canvas);
}

// The gallery of wrongly classified images, filtered by true and by predicted class.
const galleryData = document.getElementById("gallery-data");
if (galleryData) {
  const { items, classes, cell, columns } = JSON.parse(galleryData.textContent);
  const [truth, guess] = ["gallery-truth", "gallery-guess"].map((id) => document.getElementById(id));
  const grid = document.getElementById("gallery-items");
  const more = document.getElementById("gallery-more");
  const page = 48;
  let limit = page;

  [truth, guess].forEach((select, side) => {
    select.append(new Option("all", ""));
    const present = [...new Set(items.map((item) => item[1 + side]))];
    present.sort((a, b) => classes[a].localeCompare(classes[b]));
    select.append(...present.map((label) => new Option(classes[label], label)));
    select.addEventListener("change", () => { limit = page; show(); });
  });

  function show() {
    const wanted = (select, label) => select.value === "" || Number(select.value) === label;
    const found = items.map((item, i) => [i, ...item]).filter((item) => wanted(truth, item[2]) && wanted(guess, item[3]));
    grid.replaceChildren(...found.slice(0, limit).map(([i, file, label, answer, share]) => {
      const figure = make("figure", "");
      if (cell) {
        const image = make("span", "", "cell sprite-Gallery");
        image.title = file;
        showCell(image, i, cell, columns, 96 / cell);
        figure.append(image);
      }
      const caption = make("figcaption", classes[label]);
      caption.append(make("div", `as ${classes[answer]}, ${Math.round(100 * share)} %`, "guess"), make("small", file));
      figure.append(caption);
      return figure;
    }));
    document.getElementById("gallery-count").textContent = `${found.length} images`;
    more.hidden = found.length <= limit;
  }

  more.addEventListener("click", () => { limit += page; show(); });
  for (const link of document.querySelectorAll("[data-class]")) {
    link.addEventListener("click", () => {
      const known = [...truth.options].some((option) => option.value === link.dataset.class);
      truth.value = known ? link.dataset.class : "";
      guess.value = "";
      limit = page;
      show();
    });
  }
  show();
}
