"""NFS throughput: a file copied through a share server, and through a plain Ganesha.

One client from user space (``nfs-cp``, NFSv3), one file, one after the other: the figures
are as much the client's as the server's, and only their ratio says something.
"""

from __future__ import annotations

import filecmp
from pathlib import Path

from abaca.testing.netns import Machine
from benchmarks import by_hand, hosts
from benchmarks.results import Run
from benchmarks.timing import percentile, timed

VERSIONS = "3, 4"
COPY_SECONDS = 120
OPTIONS = "?version=3&nfsport=2049&mountport=20048"


def run(run: Run) -> None:
    """Write and read, on both."""
    size = run.of(256, 8)
    source = run.folder / "source"
    source.write_bytes(bytes(range(256)) * 4096 * size)
    times = run.of(3, 1)
    with (
        by_hand.volume(run.folder / "hand") as path,
        by_hand.namespace() as (server, client),
        by_hand.ganesha(server, run.folder / "ganesha", path, versions=VERSIONS),
    ):
        plain = _copies(client, f"{by_hand.ADDRESS}{by_hand.PSEUDO}", source, times)
    with hosts.host(run.folder / "host", versions=VERSIONS) as host:
        share = hosts.share_of(0)
        assert share.server is not None
        network = hosts.network_of(0)
        host.machine.call(lambda: host.driver.ensure_server(share.server, network))  # type: ignore[arg-type]
        host.machine.call(lambda: host.driver.ensure_share(share, None))
        host.machine.call(lambda: host.driver.apply_access(share, [hosts.EVERYBODY]))
        ours = _copies(host.client, hosts.location_of(0), source, times)
    for name, mine, other in zip(("write", "read"), ours, plain, strict=True):
        run.add(
            f"{name} a file of {size} MiB",
            size * 2**20 / 1e3 / mine,
            "MB/s",
            baseline=size * 2**20 / 1e3 / other,
            against="the same Ganesha without Abaca",
            target="0.9 or more",
        )


def _copies(client: Machine, location: str, source: Path, times: int) -> tuple[float, float]:
    """Milliseconds of writing and of reading it, the medians."""
    target = source.with_name("target")
    writes, reads = [], []
    for number in range(times):
        url = f"nfs://{location}/file{number}{OPTIONS}"
        writes.append(_copy(client, str(source), url))
        target.unlink(missing_ok=True)
        reads.append(_copy(client, url, str(target)))
    if not filecmp.cmp(source, target, shallow=False):
        raise RuntimeError(f"{location}: what was read is not what was written")
    return percentile(writes, 50), percentile(reads, 50)


def _copy(client: Machine, source: str, target: str) -> float:
    return timed(lambda: client.run("nfs-cp", source, target, timeout=COPY_SECONDS))
