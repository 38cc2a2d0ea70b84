"""NFS-Ganesha as one starts it by hand: two programs, two files, in a namespace that is ready."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jeepney import DBusAddress

from abaca.errors import LinuxError
from abaca.linux.bus import Bus
from abaca.linux.command import run as run_program
from abaca.linux.portmap import Portmap
from abaca.testing.netns import Machine, join, machine

EXPORT_ID = 7
PSEUDO = "/shares/by-hand"
ADDRESS = "10.8.0.1"
CLIENT = "10.8.0.2"
PATIENCE_SECONDS = 20
_BUS = """<busconfig><type>system</type><listen>unix:path={socket}</listen>
<auth>EXTERNAL</auth><policy context="default"><allow user="root"/><allow own="*"/>
<allow send_type="method_call"/><allow send_requested_reply="true"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/></policy></busconfig>
"""
_CONFIG = """NFS_CORE_PARAM {{ Protocols = {versions}; MNT_Port = 20048; Enable_NLM = false;
  Enable_RQUOTA = false; Enable_UDP = false; Mount_Path_Pseudo = true; }}
NFSv4 {{ Grace_Period = 15; Lease_Lifetime = 10; RecoveryRoot = "{folder}/recovery";
  Only_Numeric_Owners = true; }}
NFS_KRB5 {{ Active_krb5 = false; }}
LOG {{ Default_Log_Level = EVENT; }}
EXPORT {{ Export_Id = {id}; Path = "{path}"; Pseudo = "{pseudo}"; Protocols = {versions};
  Transports = TCP; SecType = sys; Squash = No_Root_Squash; Access_Type = RW;
  MaxRead = 1048576; MaxWrite = 1048576; FSAL {{ Name = VFS; }} }}
"""
_EXPORTS = DBusAddress(
    "/org/ganesha/nfsd/ExportMgr",
    bus_name="org.ganesha.nfsd",
    interface="org.ganesha.nfsd.exportmgr",
)


@contextmanager
def volume(folder: Path, gib: int = 1) -> Iterator[Path]:
    """A btrfs image, mounted."""
    image, mount = folder / "volume.img", folder / "volume"
    mount.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(gib << 30)
    run_program("mkfs.btrfs", "-q", str(image))
    run_program("mount", "-o", "loop", str(image), str(mount))
    try:
        mount.chmod(0o777)
        yield mount
    finally:
        run_program("umount", str(mount))


@contextmanager
def namespace() -> Iterator[tuple[Machine, Machine]]:
    """The server's namespace and a client's, with a cable between them."""
    with machine("hand") as server, machine("client") as client:
        join(server, client, "eth0", f"{ADDRESS}/24", f"{CLIENT}/24")
        yield server, client


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A Ganesha that serves."""

    seconds: float
    processes: tuple[int, int]
    """Its bus, and itself."""


@contextmanager
def ganesha(server: Machine, folder: Path, path: Path, *, versions: str) -> Iterator[Started]:
    """Serving the directory in the namespace: from the first program to the export's listing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recovery").mkdir(exist_ok=True)
    (folder / "bus.xml").write_text(_BUS.format(socket=folder / "bus"))
    text = _CONFIG.format(versions=versions, folder=folder, id=EXPORT_ID, path=path, pseudo=PSEUDO)
    (folder / "ganesha.conf").write_text(text)
    mapper = Portmap(folder, server.name)
    if "3" in versions:
        mapper.start()
    programs: list[subprocess.Popen[bytes]] = []
    begun = time.perf_counter()
    try:
        programs += [_start(folder, "dbus-daemon", f"--config-file={folder / 'bus.xml'}",
                            "--nofork", "--nopidfile")]  # fmt: skip
        _until((folder / "bus").exists)
        programs += [
            _start(
                folder,
                *("nsenter", f"--net=/run/netns/{server.name}", "--", "ganesha.nfsd", "-F"),
                *("-f", str(folder / "ganesha.conf"), "-p", str(folder / "pid")),
                *("-L", str(folder / "ganesha.log")),
            )
        ]
        _until(lambda: _exports(folder))
        yield Started(
            seconds=time.perf_counter() - begun,
            processes=(programs[0].pid, programs[1].pid),
        )
    finally:
        for program in reversed(programs):
            program.terminate()
            program.wait(30)
        mapper.stop()


def _start(folder: Path, *argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder / 'bus'}",
            "MALLOC_ARENA_MAX": "2",
        },
    )


def _exports(folder: Path) -> bool:
    try:
        listed = Bus(folder).call(_EXPORTS, "ShowExports", timeout=5)[1]
    except LinuxError:
        return False
    return isinstance(listed, list) and any(item[0] == EXPORT_ID for item in listed)


def _until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not there():
        if time.monotonic() > deadline:
            raise RuntimeError("NFS-Ganesha does not start")
        time.sleep(0.005)
