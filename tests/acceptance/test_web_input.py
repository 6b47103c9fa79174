"""A file of the web as input, by the command line."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from pathlib import Path

from tests.support.server_home import ServerHome

SCRIPT = """
from pathlib import Path

def run(mini_batch):
    return [f"{Path(p).name} {len(Path(p).read_bytes())}" for p in mini_batch]
"""


def test_a_file_of_a_listed_host_is_scored_and_others_are_refused_at_once(own_home: ServerHome, tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text("1,2\n" * 10)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/numbers.csv"
        own_home.variables["BATCHYARD_WEB_INPUT_HOSTS"] = f"127.0.0.1:{server.server_port}"
        own_home.deploy("web", "blue", SCRIPT)

        job = own_home.json("batch-endpoint", "invoke", "--name", "web", "--input", url)["name"]
        done = own_home.finish(job)
        gone = own_home.json("batch-endpoint", "invoke", "--name", "web", "--input", url.replace("numbers", "none"))
        failed = own_home.finish(gone["name"])
        server.shutdown()

    assert (done["status"], done["input"]["uri"], done["input"]["type"]) == ("Completed", url, "uri_file")
    assert (own_home.output(job) / "predictions.csv").read_text() == "numbers.csv 40\n"
    assert (failed["status"], failed["error"]["code"]) == ("Failed", "InputUnreadable")
    assert "answers 404" in failed["error"]["message"]
    for wrong, why in (
        ("http://example.org/x.csv", "only https is read"),
        ("https://169.254.169.254/latest", "not a public address"),
    ):
        refused = own_home.run("batch-endpoint", "invoke", "--name", "web", "--input", wrong, exit_code=1)
        assert why in refused.stderr
    folder = own_home.run(
        "batch-endpoint", "invoke", "--name", "web", "--input", url, "--input-type", "uri_folder", exit_code=1
    )
    assert "a folder of the web cannot be listed" in folder.stderr


class Dripping(http.server.BaseHTTPRequestHandler):
    """Sends a byte now and then, for longer than anybody waits."""

    asked = threading.Event()

    def do_GET(self) -> None:
        self.asked.set()
        self.send_response(200)
        self.send_header("Content-Length", "600")
        self.end_headers()
        for _ in range(600):
            try:
                self.wfile.write(b"1")
            except OSError:
                return
            time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        return


def test_a_job_whose_input_never_comes_can_be_cancelled(own_home: ServerHome) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own_home.variables["BATCHYARD_WEB_INPUT_HOSTS"] = f"127.0.0.1:{server.server_port}"
        own_home.deploy("web", "blue", SCRIPT)
        url = f"http://127.0.0.1:{server.server_port}/numbers.csv"
        job = own_home.json("batch-endpoint", "invoke", "--name", "web", "--input", url)["name"]
        assert Dripping.asked.wait(40)
        own_home.run("job", "cancel", "--name", job)
        ended = own_home.finish(job, within_s=40)
        server.shutdown()
    assert ended["status"] == "Canceled"
