"""The bare framework: Falcon and cheroot as Abaca uses them, answering ready bytes.

``python -m benchmarks.bare FOLDER`` serves each file of the folder under the path that
``index.json`` in it names, and prints its port. What Abaca takes more than this is Abaca's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import falcon
from cheroot import wsgi

THREADS = 16
INDEX = "index.json"


class _Ready:
    """Answers what it was given, with the headers that the API sends."""

    def __init__(self, bodies: Mapping[str, bytes]) -> None:
        self._bodies = bodies

    def __call__(self, req: falcon.Request, resp: falcon.Response, **_: object) -> None:
        req.bounded_stream.read()
        resp.data = self._bodies[req.path]
        resp.content_type = falcon.MEDIA_JSON
        for name in ("X-OpenStack-Request-ID", "X-Compute-Request-ID"):
            resp.set_header(name, "req-00000000-0000-0000-0000-000000000000")
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Cache-Control", "no-store")


def main(folder: Path) -> None:
    """Serve until killed."""
    index = json.loads((folder / INDEX).read_text())
    bodies = {path: (folder / file).read_bytes() for path, file in index.items()}
    app: falcon.App[Any, Any] = falcon.App()
    app.add_sink(_Ready(bodies), "/")
    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=THREADS, server_name="bare")
    server.prepare()
    sys.stdout.write(f"{server.bind_addr[1]}\n")
    sys.stdout.flush()
    server.serve()


@contextmanager
def serving(folder: Path, bodies: Mapping[str, bytes]) -> Iterator[tuple[int, int]]:
    """Its port and process ID, as long as the block lasts; ``bodies`` by path."""
    folder.mkdir(parents=True, exist_ok=True)
    index = {}
    for number, (path, body) in enumerate(bodies.items()):
        (folder / str(number)).write_bytes(body)
        index[path] = str(number)
    (folder / INDEX).write_text(json.dumps(index))
    argv = [sys.executable, "-m", "benchmarks.bare", str(folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
