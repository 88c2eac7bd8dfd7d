// Moves the slice of time that a cell's timeline shows. The page is complete without it: each cell
// has its first slice as a picture, which is replaced when the reader first moves it.
"use strict";
(() => {
  const cells = JSON.parse(document.getElementById("slices").textContent);
  let drawer = null;

  function vegaEmbed() {
    if (drawer === null) {
      const script = document.createElement("script");
      script.type = "module";
      script.textContent = document.getElementById("vega").textContent;
      drawer = new Promise((resolve, reject) => {
        document.addEventListener("vega-ready", () => resolve(window.vegaEmbed), { once: true });
        script.onerror = reject;
        document.head.append(script);
      });
    }
    return drawer;
  }

  function unpacked(cell) {
    const { rows, kinds, words, bars } = cell.rows;
    return bars.map(([row, kind, word, start, end]) => ({
      row: rows[row],
      kind: kinds[kind],
      what: words[word],
      start_s: cell.first_s + start / 1000,
      end_s: cell.first_s + end / 1000,
    }));
  }

  for (const cell of cells) {
    const form = document.querySelector(`form[data-lanes="${CSS.escape(cell.identity)}"]`);
    const picture = form.parentElement.querySelector(".picture");
    const begin = form.elements.namedItem("begin");
    const span = form.elements.namedItem("span");
    const label = form.querySelector("output");
    let view = null;

    function fit() {
      begin.max = Math.max(cell.first_s, cell.last_s - Number(span.value));
      begin.step = Number(span.value) / 20;
    }

    async function show() {
      label.textContent = `${Number(begin.value).toFixed(2)} s`;
      if (view === null) {
        const embed = await vegaEmbed();
        view = embed(picture, { ...cell.spec, datasets: { bars: unpacked(cell) } }, {
          actions: false, renderer: "svg", mode: "vega-lite", ast: true,
        }).then((made) => made.view);
      }
      const drawn = await view;
      drawn.signal("begin_s", Number(begin.value)).signal("length_s", Number(span.value));
      await drawn.runAsync();
      picture.dataset.begin = begin.value;
    }

    form.hidden = false;
    fit();
    label.textContent = `${cell.begin_s.toFixed(2)} s`;
    span.addEventListener("input", fit);
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => event.preventDefault());
  }
})();
