"""Parts of a share server that are gone and hold no data: the audit has the server mended."""

from __future__ import annotations

from abaca.drivers.driver import Oddity, Server
from abaca.drivers.fake import FakeDriver
from abaca.model.finding import FindingState
from abaca.modes import DriverMode
from abaca.network.helper import FlatHelper, ManagedHelper
from abaca.states import ShareStatus
from audit.conftest import BUSY
from audit.test_audit import found
from support.control_plane import Api, StartManager, backend


class Lossy(FakeDriver):
    """Its servers have a link that may get lost, without which they serve all the same."""

    def __init__(self, mode: DriverMode) -> None:
        super().__init__(mode)
        self.lost: set[str] = set()

    def ensure_server(self, server: Server, network: FlatHelper | ManagedHelper) -> dict[str, str]:
        """With its link."""
        self.lost.discard(server.key)
        return dict(super().ensure_server(server, network))

    def oddities(self) -> list[Oddity]:
        """The lost links, too."""
        return super().oddities() + [
            Oddity(kind="link", name=f"link of {key}", missing=True, of=key, holds_data=False)
            for key in sorted(self.lost)
        ]


def test_what_lacks_is_made_again(api: Api, start: StartManager) -> None:
    """A link is gone, and no supervision sees it: two looks later it is there, and shown for it."""
    driver = Lossy(DriverMode.FLAT)
    here = backend("b1", DriverMode.FLAT, driver=driver)
    start(here, options=BUSY)
    network = api.share_network()
    share = api.until_status(
        api.share(api.share_type(DriverMode.FLAT), network_id=network), ShareStatus.AVAILABLE
    )
    api.until_idle()
    server = str(share.instance.share_server_id)
    driver.lost |= {server, "of-nobody"}
    api.until(lambda: driver.lost == {"of-nobody"})
    api.until(lambda: ("link", "missing_in_world") in found(api, FindingState.REPAIRED))
    assert found(api, FindingState.REPAIRED)["link", "missing_in_world"].resource_id == (
        f"link of {server}"
    )
    api.until(lambda: [item.resource_id for item in found(api).values()] == ["link of of-nobody"])
