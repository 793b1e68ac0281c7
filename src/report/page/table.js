"use strict";
// Tables of up to some hundred thousand rows: only the rows in view are in the document. Texts are set as text, never as
// markup. Nothing is fetched, and nothing is kept.
(() => {
  const ROW = 30; // pixels; the same in style.css
  const MOST_PRINTED = 2000;
  const words = JSON.parse(document.getElementById("words").textContent);

  function element(name, properties, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {})) {
      if (key in made) made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  function grouped(number) {
    const digits = String(number);
    return digits.length < words.groupedFrom ? digits : digits.replace(/\B(?=(\d{3})+$)/g, words.group);
  }

  function fill(text, values) {
    return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  function isolated(text) {
    return element("bdi", { dir: "ltr", textContent: text });
  }

  class Table {
    constructor(place) {
      const data = JSON.parse(document.getElementById(place.id + "-rows").textContent);
      this.place = place;
      this.rows = data.rows;
      this.columns = data.columns;
      this.visible = new Int32Array(this.rows.length).map((_, index) => index);
      this.order = { column: -1, falling: false };
      this.focused = 0;
      this.texts = null; // what the filter looks through, made when it is first used
      this.build();
      this.refresh();
    }

    // ---- What a cell shows.
    text(row, column) {
      const value = this.rows[row][column];
      if (value === null || value === undefined) return "";
      const { kind, choices } = this.columns[column];
      return kind === "choice" ? choices[value] : String(value);
    }

    // ---- The elements that stay.
    build() {
      const label = this.place.dataset.label;
      this.count = element("p", { className: "count", role: "status" });
      this.filters = this.columns.map(() => null);
      const tools = element("div", { className: "tools" });
      this.search = element("input", { type: "search", autocomplete: "off", spellcheck: false });
      this.search.addEventListener("input", () => this.soon());
      tools.append(element("label", {}, words.filter + " ", this.search));
      this.columns.forEach((column, index) => {
        if (column.kind === "choice" && column.shown && (column.choices || []).length > 1) {
          const select = element("select", {}, element("option", { value: "", textContent: words.all }));
          column.choices.forEach((choice, value) =>
            select.append(element("option", { value: String(value), textContent: choice })));
          select.addEventListener("change", () => this.refresh());
          this.filters[index] = select;
          tools.append(element("label", {}, column.label + " ", select));
        } else if (column.bounded) {
          const most = element("input", { type: "number", min: "0", max: "256", className: "short" });
          most.addEventListener("input", () => this.soon());
          this.filters[index] = most;
          tools.append(element("label", {}, column.label + " " + words.atMost + " ", most));
        }
      });
      const chooser = element("details", { className: "chooser" }, element("summary", { textContent: words.columns }));
      const list = element("div", { className: "choices" });
      this.columns.forEach((column) => {
        const box = element("input", { type: "checkbox", checked: column.shown });
        box.addEventListener("change", () => {
          column.shown = box.checked;
          this.heads();
          this.draw(true);
        });
        list.append(element("label", {}, box, " " + column.label));
      });
      chooser.append(list);
      tools.append(chooser);
      this.headRow = element("tr", { "aria-rowindex": "1" });
      this.above = element("tr", { className: "space", "aria-hidden": "true" });
      this.below = element("tr", { className: "space", "aria-hidden": "true" });
      this.body = element("tbody", {});
      const help = element("p", { className: "help", id: this.place.id + "-help", textContent: words.help });
      this.grid = element("table", { role: "grid", "aria-label": label, "aria-describedby": help.id },
        element("thead", {}, this.headRow), this.body);
      this.view = element("div", { className: "view", tabIndex: -1 }, this.grid);
      this.view.addEventListener("scroll", () => requestAnimationFrame(() => this.draw(false)), { passive: true });
      this.view.addEventListener("keydown", (event) => this.key(event));
      this.body.addEventListener("click", (event) => {
        const row = event.target.closest("tr[data-at]");
        if (row && !String(document.getSelection())) this.choose(Number(row.dataset.at));
      });
      this.fields = element("div", { className: "fields", hidden: true });
      this.printed = element("p", { className: "printed" });
      this.place.append(tools, this.count, this.view, this.printed, help, this.fields);
      new ResizeObserver(() => this.draw(false)).observe(this.view);
      addEventListener("beforeprint", () => this.print(true));
      addEventListener("afterprint", () => this.print(false));
      this.heads();
    }

    heads() {
      this.headRow.replaceChildren(...this.columns.flatMap((column, index) => {
        if (!column.shown) return [];
        const sorted = this.order.column === index;
        const mark = sorted ? (this.order.falling ? " ▼" : " ▲") : "";
        const button = element("button", { type: "button" }, column.label,
          element("span", { className: "mark", "aria-hidden": "true", textContent: mark }));
        button.addEventListener("click", () => this.sort(index));
        const head = element("th", { scope: "col", className: column.kind }, button);
        head.setAttribute("aria-sort", sorted ? (this.order.falling ? "descending" : "ascending") : "none");
        return [head];
      }));
    }

    // ---- Which rows, and in which order.
    soon() {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.refresh(), 150);
    }

    sort(column) {
      const falling = this.order.column === column && !this.order.falling;
      this.order = { column, falling };
      this.heads();
      this.refresh();
      this.headRow.querySelectorAll("th[aria-sort=ascending] button, th[aria-sort=descending] button")
        .forEach((button) => button.focus({ preventScroll: true }));
    }

    refresh() {
      const wanted = this.search.value.trim().toLowerCase();
      if (wanted && !this.texts) {
        const all = this.columns.map((_, index) => index);
        this.texts = this.rows.map((_, row) => all.map((index) => this.text(row, index)).join("\n").toLowerCase());
      }
      const tests = this.filters.flatMap((filter, column) => {
        if (!filter || filter.value === "") return [];
        const value = Number(filter.value);
        return this.columns[column].kind === "choice"
          ? [(row) => row[column] === value]
          : [(row) => row[column] !== null && row[column] <= value];
      });
      const visible = new Int32Array(this.rows.length);
      let count = 0;
      for (let index = 0; index < this.rows.length; index += 1) {
        if (wanted && !this.texts[index].includes(wanted)) continue;
        if (tests.every((test) => test(this.rows[index]))) visible[count++] = index;
      }
      this.visible = visible.subarray(0, count);
      this.arrange();
      this.focused = 0;
      this.view.scrollTop = 0;
      this.close();
      this.count.textContent = fill(words.shown, { shown: grouped(count), total: grouped(this.rows.length) });
      this.grid.setAttribute("aria-rowcount", String(count + 1));
      this.draw(true);
    }

    arrange() {
      const { column, falling } = this.order;
      if (column < 0) return;
      const { kind, choices } = this.columns[column];
      // Choices are compared by their words; ranks of words make that a comparison of numbers.
      let rank = null;
      if (kind === "choice") {
        rank = [];
        (choices || []).map((word, value) => ({ word, value }))
          .sort((a, b) => (a.word < b.word ? -1 : a.word > b.word ? 1 : 0))
          .forEach(({ value }, place) => { rank[value] = place; });
      }
      const sign = falling ? -1 : 1;
      const key = (index) => {
        const value = this.rows[index][column];
        return rank && value !== null ? rank[value] : value;
      };
      // What is empty comes last in both directions; equal rows stay in the order of the case.
      this.visible.sort((a, b) => {
        const one = key(a), other = key(b);
        if (one === other) return a - b;
        if (one === null) return 1;
        if (other === null) return -1;
        return one < other ? -sign : sign;
      });
    }

    // ---- The rows in view.
    draw(anew) {
      if (this.printing) return;
      const total = this.visible.length;
      const first = Math.max(0, Math.floor(this.view.scrollTop / ROW) - 10);
      const last = Math.min(total, Math.ceil((this.view.scrollTop + this.view.clientHeight) / ROW) + 10);
      if (!anew && first === this.first && last === this.last) return;
      const hadFocus = this.body.contains(document.activeElement);
      this.first = first;
      this.last = last;
      this.above.style.height = first * ROW + "px";
      this.below.style.height = (total - last) * ROW + "px";
      const rows = [];
      for (let at = first; at < last; at += 1) rows.push(this.row(at));
      // Removing the row that has the focus would make the browser lay the table out without its space, and lose the place.
      if (hadFocus) this.view.focus({ preventScroll: true });
      // Two rows of space keep the stripes where they are.
      this.body.replaceChildren(this.above, ...rows, this.below);
      if (!total) this.body.append(element("tr", {}, element("td", { className: "empty", colSpan: 99, textContent: words.nothing })));
      if (hadFocus) this.focusRow(false);
    }

    row(at) {
      const index = this.visible[at];
      const row = element("tr", { tabIndex: at === this.focused ? 0 : -1 });
      row.dataset.at = String(at);
      row.className = at % 2 ? "odd" : "";
      row.setAttribute("aria-rowindex", String(at + 2));
      this.columns.forEach((column, number) => {
        if (!column.shown) return;
        const text = this.text(index, number);
        const cell = element("td", { className: column.kind, title: text.length > 20 ? text : "" });
        cell.append(column.kind === "choice" ? element("bdi", { textContent: text }) : isolated(text));
        row.append(cell);
      });
      return row;
    }

    // ---- Keys.
    key(event) {
      const page = Math.max(1, Math.floor(this.view.clientHeight / ROW) - 2);
      const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (event.target !== this.view && !event.target.closest("tbody")) return;
      if (event.key in moves) {
        event.preventDefault();
        this.focused = Math.min(this.visible.length - 1, Math.max(0, this.focused + moves[event.key]));
        this.focusRow(true);
      } else if (event.key === "Enter") {
        event.preventDefault();
        this.choose(this.focused);
      } else if (event.key === "Escape") {
        this.close();
      }
    }

    focusRow(scroll) {
      if (scroll) {
        const top = this.focused * ROW, head = this.headRow.offsetHeight;
        if (top < this.view.scrollTop) this.view.scrollTop = top;
        const room = this.view.clientHeight - head - ROW;
        if (top > this.view.scrollTop + room) this.view.scrollTop = top - room;
        this.draw(true);
      }
      const row = this.body.querySelector(`tr[data-at="${this.focused}"]`);
      // A row that was scrolled out of the document leaves its keys to the view.
      (row || this.view).focus({ preventScroll: true });
    }

    // ---- All fields of one row.
    choose(at) {
      if (at >= this.visible.length) return;
      this.focused = at;
      const list = element("dl", { className: "facts" });
      this.columns.forEach((column, number) => {
        const text = this.text(this.visible[at], number);
        if (!text) return;
        const value = column.kind === "choice" ? element("bdi", { textContent: text }) : isolated(text);
        list.append(element("div", {}, element("dt", { textContent: column.label }),
          element("dd", { className: column.kind === "code" ? "code" : "" }, value)));
      });
      const close = element("button", { type: "button", textContent: words.close });
      close.addEventListener("click", () => {
        this.close();
        this.focusRow(true);
      });
      this.fields.replaceChildren(element("h3", { textContent: words.details }), list, close);
      this.fields.hidden = false;
      this.draw(true);
      this.body.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
      const row = this.body.querySelector(`tr[data-at="${at}"]`);
      if (row) {
        row.classList.add("chosen");
        row.focus({ preventScroll: true });
      }
    }

    close() {
      this.fields.hidden = true;
      this.body.querySelectorAll("tr.chosen").forEach((row) => row.classList.remove("chosen"));
    }

    // ---- Paper has no scrolling: the first rows of what is filtered are laid out in full.
    print(begin) {
      this.printing = begin;
      if (!begin) {
        this.printed.textContent = "";
        this.draw(true);
        return;
      }
      const shown = Math.min(this.visible.length, MOST_PRINTED);
      const rows = [];
      for (let at = 0; at < shown; at += 1) rows.push(this.row(at));
      this.body.replaceChildren(...rows);
      this.printed.textContent = shown < this.visible.length
        ? fill(words.printed, { shown: grouped(shown), total: grouped(this.visible.length) }) : "";
    }
  }

  // What is folded is printed too.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open]):not(.chooser)")];
    folded.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((details) => { details.open = false; }));

  document.querySelectorAll(".rows").forEach((place) => { new Table(place); });
  document.documentElement.dataset.ready = "yes";
})();
