"""Uses the tables of a report as a person does; prints what it saw as JSON. Arguments: the folder of devtools.py, the page."""

import json
import sys

sys.path.insert(0, sys.argv[1])
import devtools

WAIT = "new Promise((done) => setTimeout(done, 400))"
COLUMN = ("[...document.querySelectorAll('#hits-table tbody tr[data-at]')].map((row) => row.children[%d].textContent)")
COUNT = "document.querySelector('#hits-table .count').textContent"

page = devtools.Page()
try:
    seen = {}
    page.open(sys.argv[2])
    seen["ready"] = page.ask("document.documentElement.dataset.ready")
    seen["all"] = page.ask(COUNT)
    seen["drawn"] = page.ask("document.querySelectorAll('#hits-table tbody tr').length")
    # By what is typed.
    page.click("#hits-table input[type=search]")
    page.type("WhatsApp_000")
    page.ask(WAIT)
    seen["filtered"] = page.ask(COUNT)
    seen["names"] = page.ask(COLUMN % 0)
    page.ask("(() => { const s = document.querySelector('#hits-table input[type=search]'); s.value = ''; s.dispatchEvent(new Event('input')); })()")
    page.ask(WAIT)
    # By a column's head, both ways, with the mouse.
    for way in ["rising", "falling"]:
        page.click("#hits-table th.number:nth-child(5) button")
        page.ask(WAIT)
        seen[way] = page.ask(COLUMN % 4)
        seen["sort " + way] = page.ask("document.querySelector('#hits-table th:nth-child(5)').getAttribute('aria-sort')")
    # By distance.
    page.click("#hits-table input.short")
    page.type("3")
    page.ask(WAIT)
    seen["near"] = page.ask(COUNT)
    seen["distances"] = page.ask(COLUMN % 4)
    # To the end with the keyboard, and one row's fields.
    page.ask("document.querySelector('#hits-table tbody tr[data-at]').focus()")
    page.key("End")
    page.ask(WAIT)
    seen["last"] = page.ask("document.activeElement.dataset.at")
    page.key("Enter", "\r")
    seen["fields"] = page.ask("document.querySelector('#hits-table .fields').textContent")
    page.key("Escape")
    seen["closed"] = page.ask("document.querySelector('#hits-table .fields').hidden")
    # A column that is not shown at first.
    seen["columns"] = page.ask("document.querySelectorAll('#hits-table thead th').length")
    page.click("#hits-table .chooser summary")
    page.click("#hits-table .choices label:last-child input")
    seen["more columns"] = page.ask("document.querySelectorAll('#hits-table thead th').length")
    seen["complaints"] = page.complaints()
    # What evidence would do if it were markup: the policy stops it, and the browser reports it.
    evil = ("<script>document.title = 'ran'</script><img src='http://evidence.invalid/x.png' onerror=\"document.title = 'ran'\">"
            "<style>body { background: url(http://evidence.invalid/y.png) }</style>")
    with open(sys.argv[2]) as file:
        text = file.read().replace("<main>", "<main>" + evil, 1)
    with open(sys.argv[2] + ".evil.html", "w") as file:
        file.write(text)
    page.open(sys.argv[2] + ".evil.html")
    page.ask(WAIT)
    seen["evil title"] = page.ask("document.title")
    seen["stopped"] = [said for said in page.complaints() if "Content Security Policy" in said]
    print(json.dumps(seen))
finally:
    page.close()
