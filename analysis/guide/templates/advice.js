"use strict";

// Share of random arrivals that find all servers busy (Erlang B).
function erlang_b(load, servers) {
  let lost = 1;
  for (let count = 1; count <= servers; count += 1) {
    lost = load * lost / (count + load * lost);
  }
  return lost;
}

// Mean wait for a server (Allen and Cunneen); infinite if there is no steady state.
function queue_wait_s(rate, service_s, variation, servers) {
  const load = rate * service_s;
  if (load >= servers) return Infinity;
  const lost = erlang_b(load, servers);
  const waiting = lost / (1 - load / servers * (1 - lost));
  return waiting / (servers / service_s - rate) * (1 + variation) / 2;
}

// How many times longer a request computes because workers share the cores.
function crowd(workers, cores, busy) {
  if (workers <= cores) return 1;
  const idle = 1 - (1 - cores / workers) * Math.min(1, busy / cores) ** cores;
  return Math.min(workers / cores, 1 / idle);
}

// The same while each worker serves as many requests at once as it has places, or only computes.
function crowd_full(workers, cores, places, delay_s, cpu_s) {
  let low = 1, high = Math.max(1, workers / cores);
  for (let round = 0; round < 60; round += 1) {
    const crowding = (low + high) / 2;
    const each = Math.min(1 / (crowding * cpu_s), places / (delay_s + crowding * cpu_s));
    if (crowd(workers, cores, workers * each * cpu_s) > crowding) low = crowding;
    else high = crowding;
  }
  return high;
}

function formatDigits(value) {
  if (value > 0 && value < 0.001) return "<0.001";
  if (value >= 99.95) return Number(value.toFixed(0)).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

function formatDuration(value) {
  return value >= 1 ? `${formatDigits(value)} s` : `${formatDigits(1000 * value)} ms`;
}

function fillSentence(sentence, figures) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) =>
    (name.endsWith("_s") ? formatDuration : formatDigits)(figures[name]));
}

// Evaluate texts/advice.toml for a question, as `study advise` does.
function computeAdvice({ waits, {{ inputs|join(", ") }} }) {
  const { min, max, ceil, sqrt } = Math;
{% for name, value in constants %}
  const {{ name }} = {{ value }};
{% endfor %}
{% for name, formula in table.formulas.items() %}
  const {{ name }} = {{ formula }};
{% endfor %}
  const figures = { {{ names|join(", ") }} };
{% macro condition(each) %}{{ each.waits|tojson }}.includes(waits){% for one in each.when %} && {{ one }}{% endfor %}{% endmacro %}
  const cases = [
{% for each in table.cases %}
    { holds: {{ condition(each) }}, write: {{ each.write|tojson }}, because: {{ each.because|tojson }}, rules: {{ each.rules|tojson }} },
{% endfor %}
  ];
  const remarks = [
{% for each in table.remarks %}
    { holds: {{ condition(each) }}, text: {{ each.text|tojson }} },
{% endfor %}
  ];
  const ways = [
{% for each in table.ways %}
    { holds: {{ condition(each) }}, name: {{ each.name|tojson }}, highest_rps: {{ each.highest_rps }}, mean_s: {{ each.mean_s }},
      limits: [{% for limit in each.limits %}{ name: {{ limit.name|tojson }}, rps: {{ limit.rps }} }{{ ", " if not loop.last }}{% endfor %}] },
{% endfor %}
  ];
  const rows = [
{% for each in rows %}
    waits === {{ each.waits|tojson }}{% for one in each.when %} && {{ one }}{% endfor %},
{% endfor %}
  ];
  const loads = { {% for each in table.kinds %}{{ each.name }}: {{ each.load|tojson }}{{ ", " if not loop.last }}{% endfor %} };
  const chosen = cases.find((each) => each.holds);
  return {
    load: fillSentence(loads[waits], figures),
    write: fillSentence(chosen.write, figures),
    because: fillSentence(chosen.because, figures),
    rules: chosen.rules,
    remarks: remarks.filter((each) => each.holds).map((each) => fillSentence(each.text, figures)),
    ways: ways.filter((each) => each.holds).map((each) => describeWay(each, figures)),
    rows: rows.flatMap((holds, place) => holds ? [place] : []),
  };
}

function describeWay(way, figures) {
  const { rate } = figures, steady = rate < way.highest_rps && Number.isFinite(way.mean_s);
  return [
    fillSentence(way.name, figures),
    formatDigits(way.highest_rps),
    formatDigits(Math.min(rate, way.highest_rps)),
    steady ? formatDigits(1000 * way.mean_s) : "grows",
    way.limits.reduce((one, other) => other.rps < one.rps ? other : one).name,
  ];
}
