// Shows the messages of the stream. It connects only to this page's server.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const whole = new Intl.NumberFormat("en");
  const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
  const SILENT_MS = 1000;
  const LABELS_PX = 75;
  let view = null;

  function say(id, text, grave = false) {
    by(id).textContent = text;
    by(id).classList.toggle("grave", grave);
  }

  function counters(look, deaths) {
    const pool = look.pool_total;
    const threads = look.threads && Object.values(look.threads).reduce((sum, each) => sum + each, 0);
    say("in-flight", whole.format(look.progress.in_flight));
    say("good", tenths.format(look.good_rps));
    say("failed", tenths.format(look.failed_rps), look.failed_rps > 0);
    say("threads", threads === null ? "–" : whole.format(threads));
    say("pool", pool === null ? "–" : `${whole.format(look.pool_borrowed)} / ${whole.format(pool)}`);
    say("waiting", whole.format(look.pool_waiting), look.pool_waiting > 0);
    const age = look.heartbeat_age_ms;
    say("beat", age === null ? "–" : whole.format(Math.round(age)), age > SILENT_MS);
    say("deaths", whole.format(deaths), deaths > 0);
    say("held", look.blocked_by && age > SILENT_MS ? `The event loop is blocked by ${look.blocked_by}.` : "");
    by("failures").replaceChildren(...look.failures.map(([error, count]) => {
      const item = document.createElement("li");
      item.textContent = `${whole.format(count)} × ${error}`;
      return item;
    }));
  }

  function bars({ rows, kinds, words, bars: packed, first_s }) {
    return packed.map(([row, kind, word, start, end]) => ({
      row: rows[row], place: row, kind: kinds[kind], what: words[word],
      start_s: first_s + start / 1000, end_s: first_s + end / 1000,
    }));
  }

  async function lanes(found) {
    if (view === null) {
      const spec = JSON.parse(by("spec").textContent);
      spec.width = Math.min(spec.width, by("lanes").clientWidth - LABELS_PX); // text must not shrink
      view = window.vegaEmbed(by("lanes"), spec, {
        actions: false, renderer: "svg", mode: "vega-lite", ast: true,
      }).then((made) => made.view);
    }
    const drawn = await view;
    await drawn.data("bars", found ? bars(found) : []).runAsync();
    by("lanes").dataset.bars = found ? found.bars.length : 0;
  }

  function show({ state, look, lanes: found }) {
    if (state.command) by("command").textContent = state.command;
    if (state.rows.length) by("rows").textContent = state.rows.join("\n");
    if (state.done) {
      say("phase", "The run has ended: its folder has the results.");
      source.close();
      return;
    }
    if (state.scenario) by("scenario").textContent = `${state.number} of ${state.of}: ${state.scenario}`;
    const left = Math.round(state.left_s);
    say("phase", left > 0 ? `${state.phase}, ${left} s left` : state.phase);
    if (look) {
      counters(look, state.deaths);
      lanes(found);
    }
  }

  const source = new EventSource("/events");
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onerror = () => say("phase", "The connection is closed; the run may have ended.");
})();
