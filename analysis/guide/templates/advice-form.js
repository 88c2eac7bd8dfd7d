const form = document.getElementById("question"), answer = document.getElementById("answer");

function make(tag, text, ...children) {
  const made = document.createElement(tag);
  // The text may contain `code`.
  String(text).split("`").forEach((part, place) => {
    if (part) made.append(place % 2 ? Object.assign(document.createElement("code"), { textContent: part }) : part);
  });
  made.append(...children);
  return made;
}

function readForm() {
  const question = { waits: form.waits.value };
  for (const [name, { field, scale, low, high, label }] of Object.entries(FIELDS)) {
    if (name === "delay" && question.waits === "nothing") {
      question[field] = 0;
      continue;
    }
    const value = form[name].valueAsNumber, whole = form[name].step !== "1" || Number.isInteger(value);
    if (!(value / scale >= low && value / scale <= high) || !whole) {
      throw new RangeError(`${label}: give ${whole ? "" : "a whole number, "}${low * scale} to ${high * scale}`);
    }
    question[field] = value / scale;
  }
  return question;
}

// Return the command as pieces that no line break divides.
function writeCommand(waits) {
  const typed = (name, unit) => ` --${name} ${form[name].value}${unit}`;
  const delay = waits === "nothing" ? "" : typed("delay", "ms");
  const line = `study advise --waits ${waits}${delay}${typed("rate", "/s")}${typed("workers", "")}`;
  return line.split(" ").map((word) => `\`${word}\``).join(" ");
}

function makeTable(ways) {
  const head = make("tr", "");
  for (const text of ["predicted", "at most, rps", "served, rps", "mean, ms", "limited by"]) head.append(make("th", text));
  const body = document.createElement("tbody");
  for (const way of ways) {
    const row = make("tr", "");
    way.forEach((text, place) => row.append(make(place ? "td" : "th", text)));
    body.append(row);
  }
  return make("table", "", make("thead", "", head), body);
}

// The HTML comes from the page's own texts only.
function makeText(tag, html) {
  return Object.assign(document.createElement(tag), { innerHTML: html });
}

function makeRow(place) {
  const [measured, texts] = ROWS[place], list = document.createElement("dl");
  for (const [label, html] of texts) list.append(make("dt", label), makeText("dd", html));
  return make("div", "", make("p", measured), list);
}

function makeRule(name) {
  const [number, claim, todo] = RULES[name], link = make("a", "In the guidance");
  link.href = `${GUIDANCE}#rule-${name}`;
  return make("details", "", make("summary", `Rule ${number}: ${claim}`), makeText("p", todo), make("p", "", link));
}

function showAnswer() {
  form.querySelector("#delay").hidden = form.waits.value === "nothing";
  let question;
  try {
    question = readForm();
  } catch (error) {
    answer.replaceChildren(Object.assign(make("p", error.message), { className: "wrong" }));
    return;
  }
  const found = computeAdvice(question);
  answer.replaceChildren(
    make("p", `${found.load}.`),
    make("h3", `Write ${found.write}`),
    make("p", `Because ${found.because}.`),
    make("ul", "", ...found.remarks.map((text) => make("li", text))),
    makeTable(found.ways),
    Object.assign(make("p", NOTE), { className: "small" }),
    ...found.rules.map(makeRule),
    make("h4", "Nearest in the decision table"),
    ...found.rows.map(makeRow),
    make("p", `To use the CPU of your machine: ${writeCommand(question.waits)}`),
  );
}

function setCpu() {
  [form.cpu.value, form["thread-cpu"].value] = CPU[form.waits.value];
}

form.waits.addEventListener("change", setCpu);
form.addEventListener("input", showAnswer);
form.addEventListener("submit", (event) => event.preventDefault());
setCpu();
showAnswer();
