"""The bare framework: Falcon and cheroot as Abaca uses them, answering ready bytes.

``python -m benchmarks.bare FILE`` answers every request with what stands in the file (an
`Answer` in JSON), and prints its port. What Abaca takes more than this is Abaca's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import falcon
from cheroot import wsgi

THREADS = 16
PATH = "/answer"
OWN = frozenset({"connection", "content-length", "date", "server"})
"""Headers that cheroot and Falcon send of themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, req: falcon.Request, resp: falcon.Response, **_: object) -> None:
        """Falcon's sink."""
        req.bounded_stream.read()
        resp.data = self.body
        for name, value in self.headers.items():
            if name not in OWN:
                resp.set_header(name, value)


def main(file: Path) -> None:
    """Serve until killed."""
    app: falcon.App[Any, Any] = falcon.App()
    told = json.loads(file.read_text())
    answer = Answer(body=told["body"].encode("latin-1"), headers=told["headers"])
    app.add_sink(answer, "/")
    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=THREADS, server_name="bare")
    server.prepare()
    sys.stdout.write(f"{server.bind_addr[1]}\n")
    sys.stdout.flush()
    server.serve()


@contextmanager
def serving(file: Path, answer: Answer) -> Iterator[tuple[int, int]]:
    """Its port and process ID, as long as the block lasts; ``file`` is its own."""
    told = {"body": answer.body.decode("latin-1"), "headers": dict(answer.headers)}
    file.write_text(json.dumps(told))
    argv = [sys.executable, "-m", "benchmarks.bare", str(file)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
