"""`abaca network usage` and `foreign`: pools as they are, and lists of what others use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from abaca.cli.main import main
from abaca.config import load
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.foreign_addresses import ForeignAddresses
from abaca.db.networks import add_tenant_network
from abaca.errors import BadRequest, ConfigError
from abaca.manager.address_watch import AddressWatch
from abaca.network.plugin import Claim, IPAddress, Label, NetworkType, Segment, Subnet
from abaca.service import address_pools, foreign_addresses
from abaca.service.state import open_database
from support.configuration import FLAT, NET, Options, configuration

RANGES = "10.10.0.10-10.10.0.19"
POOL = "flat:flat1/4"


Site = Callable[..., Path]


def written(
    folder: Path, stored: Mapping[str, Options], ranges: str = RANGES, **more: object
) -> Path:
    """A flat backend of the fake driver."""
    one = {**FLAT, "network_config_group": "flat1"}
    flat1 = {**NET, "allowed_ip_ranges": ranges, **more}
    return configuration(folder, {"one": one}, flat1=flat1, **stored)


@pytest.fixture
def site(tmp_path: Path, stored: Mapping[str, Options]) -> Site:
    """Writes it with these ranges, and further options of the network."""
    return partial(written, tmp_path, stored)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a site, with an empty database: SQLite."""
    folder = tmp_path_factory.mktemp("site")
    open_database(load((written(folder, {}),), ()).service).close()
    return folder / "state"


@pytest.fixture
def database(tmp_path: Path, site: Site, migrated: Path) -> Iterator[Database]:
    """The site's database."""
    shutil.copytree(migrated, tmp_path / "state")
    made = open_database(load((site(),), ()).service)
    yield made
    made.close()


def hold(database: Database, *owners: str, ranges: str = RANGES) -> None:
    """Share servers take addresses, as the plugin has it."""
    first, _, last = ranges.partition("-")
    for owner in owners:
        mine = Claim(owner=owner, label=Label.USER, subnet="flat1", index=0)
        gateway = [ip_address(f"10.10.0.{number}") for number in (0, 1, 255)]
        pair = (ip_address(first), ip_address(last))
        DatabaseLedger(database).take(POOL, [pair], gateway, [mine], rest_seconds=600)


def abaca(file: Path, *words: str, code: int = 0, text: str | None = None) -> tuple[str, str]:
    """Run the command in this process; what it prints on both streams."""
    done = CliRunner().invoke(main, [*words, "--config-file", str(file)], input=text)
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def usage(file: Path) -> dict[str, object]:
    """The one row."""
    (row,) = json.loads(abaca(file, "network", "usage", "--format", "json")[0])
    return dict(row)


def test_usage_shows_a_pool_that_nobody_used(site: Site, database: Database) -> None:
    """By its section, with the size that it is configured to have."""
    del database
    row = usage(site())
    assert (row["network"], row["size"], row["free"], row["used"]) == ("flat1", 10, 10, 0)


def test_ranges_shrunk_and_enlarged_while_in_use(site: Site, database: Database) -> None:
    """What is left outside is counted and told; it is never free, and is gone with its server."""
    hold(database, "a", "b", "c")
    file = site("10.10.0.12-10.10.0.14")
    row = usage(file)
    assert (row["size"], row["used"], row["free"], row["outside"]) == (3, 3, 2, 2)
    said = abaca(file, "network", "usage")[1]
    assert "network flat1: 2 addresses in use are outside its ranges" in said
    row = usage(site("10.10.0.5-10.10.0.30"))
    assert (row["size"], row["used"], row["free"], row["outside"]) == (26, 3, 23, 0)
    site("10.10.0.12-10.10.0.14")
    mine = Claim(owner="a", label=Label.USER, subnet="flat1", index=0)
    DatabaseLedger(database).give_back([mine])
    assert (usage(file)["used"], usage(file)["outside"]) == (2, 1)


def test_both_warn_before_a_pool_runs_out(site: Site, database: Database) -> None:
    """`usage` and `config check`, from the section's percentage on; exit code 0."""
    file = site(warn_percent=80)
    hold(database, *"abcdefg")
    line = "network flat1: 80 % of its 10 addresses are taken, 2 are free; enlarge its ranges"
    for words in (("network", "usage"), ("config", "check")):
        assert line not in abaca(file, *words)[1]
    hold(database, "h")
    for words in (("network", "usage"), ("config", "check")):
        assert f"warning: {line}" in abaca(file, *words)[1].splitlines()
    assert usage(file)["nearly_full"] is True
    assert abaca(file, "config", "check", "--offline")[1] == ""


def test_the_log_warns_once(site: Site, database: Database) -> None:
    """Of two managers one says so, once."""
    config = load((site(warn_percent=80),), ())
    watches = [
        AddressWatch(db=database, known=lambda: address_pools.known_pools(config, database))
        for _ in range(2)
    ]
    hold(database, *"abcdefgh")
    with capture_logs() as logs:
        for watch in (*watches, *watches):
            watch.look()
    (entry,) = logs
    assert (entry["event"], entry["network"], entry["free"]) == ("addresses_run_short", "flat1", 2)


LIST = """
# what the site has
10.10.0.12       printer, second floor
10.10.0.14-10.10.0.15 phones   # three of them once
10.10.0.200/30   cameras
10.10.0.17
"""


def test_a_list_is_imported(tmp_path: Path, site: Site, database: Database) -> None:
    """What it names is given to nobody, told with who has it; again it is the same."""
    file, listed = site(), tmp_path / "list"
    listed.write_text(LIST)
    words = ("network", "foreign", "import", str(listed), "--network", "flat1", "--who", "lab")
    for _ in range(2):
        assert abaca(file, *words)[0] == "8 addresses are kept out of flat1\n"
        row = usage(file)
        assert (row["imported"], row["free"], row["used"], row["outside"]) == (8, 6, 0, 0)
    hold(database, *"abcdef")
    with database.read():
        held = DatabaseLedger(database).held(
            [Claim(owner=o, label=Label.USER, subnet="flat1", index=0) for o in "abcdef"]
        )
    assert [str(item)[8:] for item in sorted(held.values(), key=int)] == [
        "10", "11", "13", "16", "18", "19"
    ]  # fmt: skip
    rows = json.loads(abaca(file, "network", "foreign", "list", "--format", "json")[0])
    who = {row["address"]: (row["network"], row["reason"], row["who"]) for row in rows}
    assert who["10.10.0.12"] == ("flat1", "imported", "printer second floor")
    assert who["10.10.0.15"] == ("flat1", "imported", "phones")
    assert who["10.10.0.17"] == ("flat1", "imported", "lab")
    assert len(who) == 8


def test_an_imported_address_is_let_in_again(site: Site, database: Database) -> None:
    """By address or range; what is not kept out, and what servers hold, stays as it is."""
    file = site()
    abaca(file, "network", "foreign", "import", "-", "--network", "flat1", text=LIST)
    hold(database, "a")
    words = ("network", "foreign", "remove", "--network", "flat1")
    said = abaca(file, *words, "10.10.0.10-10.10.0.14", "10.10.0.99")[0]
    assert said == "2 addresses are given out again\n"
    row = usage(file)
    assert (row["imported"], row["free"], row["used"]) == (6, 7, 1)
    assert abaca(file, *words, "10.10.0.12")[0] == "0 addresses are given out again\n"
    assert "no range" in abaca(file, *words, "somewhere", code=1)[1]


def test_one_wrong_line_imports_nothing(site: Site, database: Database) -> None:
    """Every wrong line is told by its number, and the right ones are not imported either."""
    hold(database, "server1")
    wrong = """10.10.0.12 fine
10.10.0.300 no address
10.11.0.5 elsewhere
10.10.0.1 the gateway
10.10.0.250-10.10.0.255 with the broadcast address
10.10.0.12 again
10.10.0.11-10.10.0.13 overlaps
fd00::1 another version
"""
    file = site()
    words = ("network", "foreign", "import", "-", "--network", "flat1")
    said = abaca(file, *words, code=1, text=wrong)[1].splitlines()
    assert [line.removeprefix("abaca: ").partition(":")[0] for line in said] == [
        "line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 8", "nothing was imported"
    ]  # fmt: skip
    assert "line 3: 10.11.0.5 is not inside 10.10.0.0/24" in said
    assert "line 6: 10.10.0.12 is on line 1 already" in said
    assert "line 7: 10.10.0.12 is on line 1 already" in said
    assert "10.10.0.255 is a gateway" in said[3]
    assert usage(file)["imported"] == 0
    held = abaca(file, *words, code=1, text="10.10.0.12 x\n10.10.0.10 y\n")[1].splitlines()
    assert held[0].endswith("line 2: 10.10.0.10 is held by share server server1")
    assert usage(file)["imported"] == 0


def test_networks_are_named(site: Site, database: Database) -> None:
    """A tenant's network by name or ID, both IP versions in one list; an unknown one is told."""
    segment = Segment(
        network_type=NetworkType.VXLAN,
        segmentation_id=7,
        physical_network=None,
        mtu=1450,
        subnets=tuple(
            Subnet(cidr=ip_network(text), gateway=None)
            for text in ("192.168.5.0/24", "fd00:5::/64")
        ),
    )
    tenant = add_tenant_network(database, project_id="p", name="net1", segment=segment)
    file = site()
    for name in ("net1", tenant.id):
        words = ("network", "foreign", "import", "-", "--network", name)
        said = abaca(file, *words, text="192.168.5.7 a\nfd00:5::7 b\n")[0]
        assert said == f"2 addresses are kept out of {name}\n"
    rows = json.loads(abaca(file, "network", "foreign", "list", "--network", "net1", "--format",
                            "json")[0])  # fmt: skip
    assert [row["address"] for row in rows] == ["192.168.5.7", "fd00:5::7"]
    said = abaca(file, "network", "foreign", "list", "--network", "nowhere", code=1)[1]
    assert "there is flat1, net1" in said


def test_an_ambiguous_name_is_refused(site: Site, database: Database) -> None:
    """Two projects, or a project and a section, have one: the IDs are told, and nothing is done."""

    def add(project: str, name: str, vni: int) -> str:
        segment = Segment(
            network_type=NetworkType.VXLAN,
            segmentation_id=vni,
            physical_network=None,
            mtu=1450,
            subnets=(Subnet(cidr=ip_network("192.168.5.0/24"), gateway=None),),
        )
        made = add_tenant_network(database, project_id=project, name=name, segment=segment)
        return str(made.id)

    red, blue, same = add("red", "net1", 7), add("blue", "net1", 8), add("red", "flat1", 9)
    file = site()
    words = ("network", "foreign", "import", "-", "--network")
    said = abaca(file, *words, "net1", code=1, text="192.168.5.7\n")[1]
    assert f"{red} of project red" in said
    assert f"{blue} of project blue" in said
    said = abaca(file, *words, "flat1", code=1, text="10.10.0.12\n")[1]
    assert f"the section, {same} of project red" in said
    assert ForeignAddresses(database).listed() == []
    assert abaca(file, *words, blue, text="192.168.5.7\n")[0].startswith("1 addresses")
    (kept,) = ForeignAddresses(database).listed()
    (pool,) = address_pools.pools_of(load((file,), ()), database, blue)
    assert kept.pool == pool.name


def test_tenant_networks_have_routes(site: Site, database: Database) -> None:
    """Without a gateway, with a route that is shown; one that can't be is refused by name."""
    del database
    words = ["network", "tenant", "add", "--project", "p", "--name", "n", "--type", "vxlan"]
    words += ["--segmentation-id", "7", "--cidr", "192.168.5.0/24", "--format", "json"]
    file = site()
    said = abaca(file, *words, "--route", "10.0.0.0/8 via 192.168.6.2", code=1)[1]
    assert "--route: 10.0.0.0/8 via 192.168.6.2: the router is not on the network" in said
    row = json.loads(abaca(file, *words, "--route", "10.0.0.0/8 via 192.168.5.2")[0])
    assert (row["gateways"], row["routes"]) == ("", "10.0.0.0/8 via 192.168.5.2")


def test_a_list_is_not_endless(site: Site, database: Database) -> None:
    """A line with more addresses than anybody lists is refused before they are counted up."""
    config = load((site(ipv6_cidr="fd00::/64"),), ())
    pools = address_pools.pools_of(config, database, "flat1")
    with pytest.raises(BadRequest, match="line 1: more than 65536 addresses"):
        foreign_addresses.keep_out(ForeignAddresses(database), pools, "fd00::/64 all", who="x")


def test_killed_in_the_middle_nothing_is_half_imported(site: Site, database: Database) -> None:
    """The whole list is one transaction, and the free space stays right."""

    class Broken(dict[IPAddress, str]):
        def items(self) -> object:  # type: ignore[override]
            yield ip_address("10.10.0.12"), "one"
            raise KeyboardInterrupt

    hold(database, "a")
    store = ForeignAddresses(database)
    wanted = {POOL: Broken({ip_address("10.10.0.12"): "one"})}
    with pytest.raises(KeyboardInterrupt):
        store.keep_out(wanted)
    assert store.listed() == []
    assert usage(site())["free"] == 9


def test_probing_needs_a_driver_with_wires(site: Site) -> None:
    """Section, option, driver and backend are named; no service starts with it."""
    file = site(probe_addresses="yes")
    with pytest.raises(ConfigError) as caught:
        load((file,), ())
    (fault,) = caught.value.faults
    assert fault == (
        "[flat1] probe_addresses: driver fake of [one] has no wires for it on its host; leave it "
        "out"
    )


def test_a_check_makes_no_database(tmp_path: Path, site: Site) -> None:
    """Where no service has run yet, nothing is warned of, and nothing is left."""
    assert abaca(site(), "config", "check")[1] == ""
    assert not (tmp_path / "state").exists()
