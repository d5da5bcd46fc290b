# SPDX-License-Identifier: Apache-2.0
"""The page at / in headless Chromium: its numbers are the server's, it is quiet when nothing happens, and it stays small."""

import json
import re
import subprocess
import time
import urllib.request

import pytest
from scenes import SPEED, STRAIT, run, watched

END_MS = 12_000  # of the recorded part
SETTLED = 60  # seconds for everything to be told
RUN = "strait.panels[0].run"
# [high, low] of: arrived, in time, late, shed, cancelled, failed.
TOTALS = f"{RUN}.totals && JSON.stringify({RUN}.totals)"
SHOWN = """[...document.querySelectorAll('.sums tbody tr')].map((row) =>
  [...row.cells].slice(1).map((cell) => Number(cell.textContent.replace(/\\s/g, ''))))"""


def url(server):
    return f"http://127.0.0.1:{server.port}"


def frames(page):
    return page.value(f"{RUN}.frames.length")


def counted(log):
    """What the server says of each class in the end."""
    found = {}
    for name, *numbers in re.findall(r"(high|low): (\d+) arrived, (\d+) in time, (\d+) late, (\d+) refused, (\d+) cancelled,"
                                     r" (\d+) failed", log):
        found[name] = [int(number) for number in numbers]
    return found


def test_the_numbers_are_the_servers(browser, traffic):
    with traffic.served() as server:
        page = browser.page(url(server))
        page.until("document.getElementById('status').dataset.state !== undefined")
        page.until("!document.getElementById('empty').hidden")
        load = subprocess.run(traffic.command(server, 1.3, 4), capture_output=True, check=False)
        assert load.returncode == 0, load.stderr
        page.until(f"{RUN}.totals?.every(([arrived, ...ends]) => arrived > 0 && ends.reduce((a, b) => a + b) === arrived)")
        page.until(f"{RUN}.isQuiet()")
        totals = json.loads(page.value(TOTALS))
        page.until(f"JSON.stringify(({SHOWN})) === JSON.stringify({RUN}.totals[0].map((_, i) => {RUN}.totals.map((t) => t[i])))")
        # By model and class, as they were counted from the records: the same.
        sums = page.value(f"[0, 1].map((cls) => {RUN}.modelSums(0, 1e12).reduce((all, of) => all.map((n, i) => "
                          f"n + [of[cls].arrived, of[cls].met, of[cls].late, of[cls].shed][i]), [0, 0, 0, 0]))")
        assert sums == [total[:4] for total in totals]
        assert page.value(f"{RUN}.batches.length") > 50 and page.value(f"{RUN}.untold") == 0
        # Every request that ran is in one batch, with its fate; every other one is told of alone, as far as there is room.
        met = page.value(f"{RUN}.batches.flatMap((batch) => batch.requests).filter((request) => request.outcome === 1).length")
        assert met == totals[0][1] + totals[1][1]
        assert page.value(f"{RUN}.batches.every((batch) => batch.requests.filter((one) => one.outcome === 2).length === "
                          "batch.late)")
        assert page.problems() == []
        page.close()
    assert counted(server.read_log()) == {"high": totals[0], "low": totals[1]}


def test_quiet_when_nothing_happens(browser, traffic):
    with traffic.served() as server:
        page = browser.page(url(server))
        page.until(f"{RUN}.frames.length > 0")
        page.until(f"{RUN}.isQuiet()")
        page.until("document.getElementById('status').dataset.state === 'quiet'")
        before = frames(page)
        drawn = page.value("new Promise((done) => { let asked = 0; const real = requestAnimationFrame; "
                           "globalThis.requestAnimationFrame = (body) => { asked += 1; return real(body); }; "
                           "setTimeout(() => { globalThis.requestAnimationFrame = real; done(asked); }, 1500); })")
        assert drawn == 0, "nothing moves, so nothing is drawn"
        assert frames(page) == before, "and nothing is sent"
        page.close()


def test_a_change_of_load_shows_within_a_second(browser, traffic):
    with traffic.served() as server:
        page = browser.page(url(server))
        page.until(f"{RUN}.frames.length > 0")
        with traffic.driven(server, 1.3, seconds=20):
            page.until(f"{RUN}.totals[1][0] > 100")
            # The page knows of an arrival this long after the server, at most: what it knows is as old as its last frame.
            ages = [page.value(f"performance.now() + {RUN}.offset - {RUN}.end") for _ in range(20)]
        assert sorted(ages)[10] < 1000, ages
        page.close()


def test_a_click_tells_why(browser, traffic):
    with traffic.served() as server:
        page = browser.page(url(server))
        with traffic.driven(server, 1.3, seconds=30):
            page.until(f"{RUN}.batches.length > 200")
        page.until(f"{RUN}.isQuiet()")
        spot = page.value("""(() => {
          const panel = strait.panels[0];
          const batch = panel.run.batches.findLast((one) => one.requests.length > 0 && one.end === 0);
          strait.view.follows = false;
          strait.view.span = 200;
          strait.view.end = batch.ended + 60;
          panel.draw(true);
          const bar = panel.bars.find((one) => one.batch === batch);
          const box = panel.canvases.lanes.getBoundingClientRect();
          return [box.left + (bar.left + bar.right) / 2, box.top + (bar.top + bar.bottom) / 2, batch.requests[0].number];
        })()""")
        page.click(*spot[:2])
        page.until("!document.querySelector('.details').hidden")
        text = page.text(".details")
        assert "predicted" in text and f"request {spot[2]}" in text
        # Of the batch: what it was worth, by term, or why that is not known.
        page.until("document.querySelector('.choice').textContent !== ''")
        assert "rank" in page.text(".choice") and "regret" in page.text(".choice"), page.text(".choice")
        page.value("document.querySelector('.details li button').click()")
        page.until(f"document.querySelector('.story').textContent.includes('request {spot[2]}')")
        page.until("document.querySelector('.story').textContent.includes('staged at')")
        assert page.problems() == []
        page.key("Escape")
        page.until("document.querySelector('.details').hidden")
        page.close()
        # Under overload batches displace others, and say so.
        decisions = server.get("/v2/strait/decisions?last=100").json["decisions"]
        chosen = [weighed for decision in decisions for weighed in decision["weighed"] if weighed["chosen_had_it"]]
        passed = [(weighed["own"], other) for weighed in chosen for other in weighed["passed_over"]]
        assert passed and all("rank" in other for _, other in passed)
        assert all((own["model"], own["class"]) != (other["model"], other["class"]) for own, other in passed)
        assert any(line.startswith("it displaced ") for decision in decisions for line in decision["words"])


def test_a_lost_device_is_shown_and_its_return(browser, traffic):
    devices = [f"virtual:l4,speed={SPEED}", f"virtual:l4,speed={SPEED},seed=1,fault=lost,fault-after=30,fault-ms=1500"]
    with traffic.served(devices=devices) as server:
        page = browser.page(url(server))
        with traffic.driven(server, 0.5, seconds=60):
            page.until(f"{RUN}.outages.some((outage) => outage.to !== null)", SETTLED)
        outage = page.value(f"{RUN}.outages[0]")
        assert outage["device"] == 1 and outage["reason"]
        assert 500 < outage["to"] - outage["from"] < 30_000
        assert page.value(f"{RUN}.batches.some((one) => one.end === 3 || one.end === 1)"), "what was on it is shown"
        names = page.value("[...document.querySelectorAll('.devices td:first-child')].map((one) => [one.textContent, one.title, "
                           "one.scrollWidth <= one.clientWidth])")
        assert len({name for name, _, _ in names}) == len({title for _, title, _ in names}), names
        assert all(fits for _, _, fits in names), f"names are cut: {names}"
        page.close()


def test_themes_and_a_phone(browser, traffic):
    with traffic.served() as server:
        page = browser.page(url(server), width=390, height=844, dark=True, touch=True)
        subprocess.run(traffic.command(server, 0.5, 1), capture_output=True, check=True)
        page.until(f"{RUN}.frames.length > 3")
        assert page.value("document.documentElement.dataset.theme") == "dark"
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = page.value(ground)
        page.value("document.getElementById('theme').click()")
        assert page.value("document.documentElement.dataset.theme") == "light" and page.value(ground) != dark
        page.value("document.getElementById('theme').click()")
        assert page.value("document.documentElement.dataset.theme") == "dark"
        assert page.value("document.documentElement.scrollWidth") <= 390, "nothing is wider than a phone"
        assert page.value("[...document.querySelectorAll('.models td:first-child')].every((one) => one.scrollWidth <= "
                          "one.clientWidth)"), "names of models are cut"
        assert page.problems() == []
        page.close()


def test_pause_and_zoom(browser, traffic):
    with traffic.served() as server:
        page = browser.page(url(server))
        with traffic.driven(server, 0.5, seconds=30):
            page.until(f"{RUN}.frames.length > 5")
            page.key(" ", " ")
            page.until("document.getElementById('status').textContent === 'paused'")
            end = page.value("strait.view.end")
            page.until(f"{RUN}.frames.length > 12")
            assert page.value("strait.view.end") == end, "the picture stands, and what happens is kept"
            page.key("+", "+")
            assert page.value("strait.view.span") == 5000
            page.key(" ", " ")
            page.until("strait.view.follows")
        page.close()


def test_a_token_is_asked_for_and_sent(browser, traffic):
    """The page against a server that wants one, in so far as the page is concerned: its own answers are played."""
    with traffic.served() as server:
        page = browser.page(url(server))
        page.until(f"{RUN}.head")
        asked = page.value("""(async () => {
          const { follow, setToken } = await import('/dashboard/stream.js');
          const real = globalThis.fetch;
          const seen = [];
          globalThis.fetch = async (path, { headers }) => { seen.push(headers.Authorization ?? null); return new Response('', { status: 401 }); };
          const told = [];
          await follow('/v2/strait/events', () => {}, (name, words) => told.push([name, words]));
          setToken('secret');
          await follow('/v2/strait/events', () => {}, (name, words) => told.push([name, words]));
          globalThis.fetch = real;
          return { seen, told, kept: sessionStorage.getItem('strait-token') };
        })()""")
        assert asked["seen"] == [None, "Bearer secret"] and asked["kept"] == "secret"
        assert asked["told"] == [["token", ""], ["token", "The server does not take this token."]]
        page.close()


def test_files_are_safe_and_small(traffic):
    with traffic.served() as server:
        answer = server.get("/")
        assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy
        names = set(re.findall(r"/dashboard/([\w.]+)", answer.body.decode()))
        seen, total = set(), 0
        while names - seen:
            name = (names - seen).pop()
            seen.add(name)
            plain = server.get(f"/dashboard/{name}")
            assert plain.status == 200, name
            request = urllib.request.Request(f"{url(server)}/dashboard/{name}", headers={"Accept-Encoding": "gzip"})
            with urllib.request.urlopen(request) as packed:
                assert packed.headers["Content-Encoding"] == "gzip"
                total += len(packed.read())
            names |= set(re.findall(r"from '\./([\w.]+)'", plain.body.decode())) if name.endswith(".js") else set()
            assert "http://" not in plain.body.decode().replace("http://www.w3.org/2000/svg", ""), "nothing from elsewhere"
        assert total < 60_000, "compressed, all of the page"


def test_viewers_are_bounded_and_all_get_the_same(traffic):
    with traffic.served() as server:
        sockets = []
        try:
            for _ in range(256):
                one = server.connect()
                one.sendall(b"GET /v2/strait/events HTTP/1.1\r\nHost: x\r\n\r\n")
                sockets.append(one)
            for one in sockets:
                assert one.recv(12) == b"HTTP/1.1 200"
            refused = server.get("/v2/strait/events")
            assert refused.status == 503 and "256" in refused.error
            sockets.pop().close()
            limit = time.monotonic() + SETTLED
            while True:
                late = server.connect()
                late.sendall(b"GET /v2/strait/events HTTP/1.1\r\nHost: x\r\n\r\n")
                if late.recv(12) == b"HTTP/1.1 200":
                    break
                late.close()
                assert time.monotonic() < limit, "a viewer that goes makes room"
            late.close()
        finally:
            for one in sockets:
                one.close()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    paths = []
    for policy in ("strait", "edf-priority"):
        path = folder / f"{policy}.jsonl"
        run(STRAIT, "simulate", "centre", "--policies", policy, "--seeds", "7", "--loads", "1.3", "--seconds", "20", "--record",
            path, "--record-seconds", "10-12")
        paths.append(path)
    return paths


def test_two_recorded_runs_beside_each_other(browser, recordings):
    with watched(*recordings) as address:
        page = browser.page(address, width=1500)
        page.until("strait.panels.length === 2 && strait.panels.every((panel) => panel.run.frames.length >= 10)")
        for index, path in enumerate(recordings):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            head = lines[0]
            outcomes = [line["outcome"] for line in lines if "answer" in line]
            own = f"strait.panels[{index}].run"
            assert page.value(f"{own}.policy") == head["policy"] == path.stem
            totals = page.value(f"{own}.totals")
            assert [totals[0][i] + totals[1][i] for i in (1, 2, 3)] == [outcomes.count(one) for one in ("met", "late", "shed")]
            assert page.value(f"{own}.batches.length") == sum("batch" in line for line in lines)
            # Batches that were staged after the part that was recorded are not in the file, but the answers are.
            answered = [line["at_ms"] for line in lines if line.get("outcome") in ("met", "late")]
            placed = page.value(f"{own}.batches.reduce((sum, one) => sum + one.requests.length, 0)")
            assert sum(at <= END_MS for at in answered) <= placed <= len(answered)
        assert page.problems() == []
        page.close()


# What a page knows of a run, in numbers that do not depend on how it came to know them.
KNOWN = """JSON.stringify([strait.panels[0].run.totals, strait.panels[0].run.frames.map((one) => [one.waiting, [...one.sums],
  [...one.queues]]), strait.panels[0].run.others.map((one) => [one.number, one.outcome]), strait.panels[0].run.batches.map((one) =>
  [one.device, one.lane, one.model, one.rows, one.end, one.met, one.late, Math.round(one.ended - one.staged),
   one.requests.map((request) => [request.number, request.outcome])])])"""


def test_a_part_of_a_recording_counts_that_part(browser, recordings):
    begins = END_MS - 1000
    lines = [json.loads(line) for line in recordings[0].read_text().splitlines()]
    came = sum("arrival" in line and line["at_ms"] > begins for line in lines)
    with watched(recordings[0], arguments=("--from", "1", "--seconds", "5")) as address:
        page = browser.page(address)
        page.until(f"{RUN}.frames.length >= 5")
        assert page.value(f"{RUN}.classSums(0, 1e12).reduce((sum, of) => sum + of.arrived, 0)") == came
        assert page.value(f"{RUN}.batches.every((batch) => batch.ended > {begins})")
        page.close()


def test_a_dropped_recording_is_what_watch_shows(browser, traffic, recordings):
    with watched(recordings[0]) as address:
        page = browser.page(address)
        page.until(f"{RUN}.frames.length >= 10")
        watched_run = page.value(KNOWN)
        page.close()
    with traffic.served() as server:
        page = browser.page(url(server))
        page.until(f"{RUN}.head && {RUN}.live")
        page.choose_files("file", recordings[0])
        page.until(f"!{RUN}.live && {RUN}.frames.length >= 10")
        assert page.value(KNOWN) == watched_run
        page.choose_files("file", *recordings)
        page.until("strait.panels.length === 2")
        # Back to the server.
        page.value("document.getElementById('pause').click()")
        page.until(f"strait.panels.length === 1 && {RUN}.live && {RUN}.head")
        assert page.problems() == []
        page.close()


@pytest.mark.parametrize("lines, words", [
    ([], "empty"), (["hello"], "line 1: this is not JSON"), (["{}"], "line 1: this is no recording"),
    (['{"strait_recording":9}'], "version 9"),
    ([None, '{"arrival":0,"at_ms":10001,"model":99,"class":"high","rows":1}', '{"end_ms":10002,"dropped":0}'], "model: found 99"),
    ([None, '{"arrival":0,"at_ms":1,"model":0,"class":"high","rows":1}'], "line 2: 1 ms is before"),
])
def test_a_file_that_is_no_recording_is_refused_in_words(browser, traffic, recordings, tmp_path, lines, words):
    head = recordings[0].read_text().split("\n", 1)[0]
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(f"{head if line is None else line}\n" for line in lines))
    with watched(recordings[0]) as address:
        page = browser.page(address)
        page.until(f"{RUN}.frames.length >= 10")
        page.choose_files("file", path)
        page.until(f"document.getElementById('note').textContent.includes({json.dumps(words)})")
        assert "mine.jsonl" in page.text("#note")
        assert page.value(f"{RUN}.frames.length") >= 10, "what was shown stays"
        page.close()


def test_watch_says_what_is_wrong(tmp_path):
    (tmp_path / "bad.jsonl").write_text("{}\n")
    for arguments, words in ([(tmp_path / "none.jsonl",), "none.jsonl"], [(tmp_path / "bad.jsonl",), "bad.jsonl"],
                             [("a", "b", "c"), "one or two"]):
        answer = subprocess.run([str(STRAIT), "watch", *map(str, arguments)], capture_output=True, text=True, check=False)
        assert answer.returncode != 0 and words in answer.stderr, answer
