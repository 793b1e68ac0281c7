#!/usr/bin/env python3
"""How long Chromium takes to open a report of 100,000 hits, and to filter and sort its rows.

    cargo build --release && python3 benches/report_page.py [TIMES]

Triages the sample, adds 100,000 hits with tests/data/many_hits.sql, writes the report, and opens it TIMES times (5), each in a
browser and a profile of its own, from disk. Times are the browser's own, from the start of the navigation.
"""

import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
import devtools

LOADED = "JSON.stringify(performance.getEntriesByType('navigation')[0])"
PAINTED = "(performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime"
READY = "document.documentElement.dataset.ready"
HEAP = "performance.memory.usedJSHeapSize"
SORT = """(() => {
    const begin = performance.now();
    document.querySelectorAll('#hits-table thead button')[%d].click();
    document.querySelector('#hits-table .view').offsetHeight;
    return performance.now() - begin;
})()"""
# Until the count of rows has changed, without the 150 ms that the field waits for more letters.
FILTER = """new Promise((done) => {
    const field = document.querySelector('#hits-table input[type=search]'), count = document.querySelector('#hits-table .count');
    const before = count.textContent, begin = performance.now();
    new MutationObserver((_, observer) => { observer.disconnect(); done([performance.now() - begin - 150, count.textContent]); })
        .observe(count, { childList: true, characterData: true, subtree: true });
    field.value = %s;
    field.dispatchEvent(new Event('input'));
})"""


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "?")


def main():
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    tamis = os.path.join(ROOT, "target", "release", "tamis")
    print(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "|", processor(), "|", os.cpu_count(), "processors |",
          platform.platform())
    print(subprocess.run([devtools.find(), "--version"], capture_output=True, text=True).stdout.strip())
    with tempfile.TemporaryDirectory() as folder:
        case, page = os.path.join(folder, "CASE"), os.path.join(folder, "report.html")
        data = os.path.join(ROOT, "tests", "data")
        subprocess.run([tamis, "triage", os.path.join(data, "seizure"), "--known", os.path.join(data, "known.csv"), "--case", case,
                        "--quiet"], check=True, stdout=subprocess.DEVNULL)
        database = sqlite3.connect(os.path.join(case, "case.sqlite"))
        with open(os.path.join(data, "many_hits.sql")) as file:
            database.executescript(file.read())
        database.close()
        begin = time.monotonic()
        subprocess.run([tamis, "report", "--case", case, "--output", page, "--quiet"], check=True)
        print("written in %.1f s, %.1f MiB" % (time.monotonic() - begin, os.path.getsize(page) / 2**20))
        print("load averages:", os.getloadavg())
        for number in range(times):
            browser = devtools.Page()
            try:
                browser.open(page)
                loaded = json.loads(browser.ask(LOADED))
                browser.ask("new Promise((done) => setTimeout(done, 300))")
                row = {
                    "ready": browser.ask(READY),
                    "rows": browser.ask("document.querySelector('#hits-table .count').textContent"),
                    "response end ms": round(loaded["responseEnd"]),
                    "first paint ms": round(browser.ask(PAINTED) or -1),
                    "loaded ms": round(loaded["loadEventEnd"]),
                    "sort numbers ms": round(browser.ask(SORT % 4)),
                    "sort texts ms": round(browser.ask(SORT % 0)),
                    "first filter ms": round(browser.ask(FILTER % '"whatsapp"')[0]),
                    "heap MiB": round(browser.ask(HEAP) / 2**20),
                }
                took, count = browser.ask(FILTER % '"whatsapp_0900"')
                row["filter ms"], row["filtered"] = round(took), count
                print(json.dumps(row, ensure_ascii=False))
            finally:
                browser.close()


if __name__ == "__main__":
    main()
