"""Parts of nobody that hold no data: looked at again, and removed.

The lock of the server that they are called after is held by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

from abaca.drivers.driver import Oddity
from abaca.drivers.linux import nfs, oddities, oddities_serving
from abaca.drivers.linux.layout import SINGLE, Layout, Place
from abaca.drivers.linux.options import LinuxOptions
from abaca.linux import links
from abaca.linux.command import stop_process
from abaca.linux.fabric import LinuxFabric
from abaca.linux.image import detach
from abaca.linux.netns import remove_namespace


def place_of(layout: Layout, item: Oddity) -> Place:
    """The server that the part is called after, which need not be there."""
    return layout.place(None if item.of == SINGLE else item.of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """Each returns False for what is not what it was called any more."""

    layout: Layout
    options: LinuxOptions
    fabric: LinuxFabric | None

    def part(self, item: Oddity) -> bool:
        """It is gone; False if it is not to be removed, too."""
        removers = {
            oddities.NAMESPACE: self._namespace,
            oddities.LOOP: self._loop,
            oddities_serving.PROCESS: self._process,
            oddities_serving.EXPORT: self._export,
            oddities_serving.LINK: self._link,
        }
        remove = removers.get(item.kind)
        if remove is None or item.missing or item.holds_data:
            return False
        # What was left as it runs is nobody's to touch.
        return not place_of(self.layout, item).left_path.exists() and remove(item)

    def _namespace(self, item: Oddity) -> bool:
        if item != oddities.stray_namespace(self.layout, item.name):
            return False
        remove_namespace(item.name)
        return True

    def _process(self, item: Oddity) -> bool:
        """Not where its server's directory is there: that of a volume that is not mounted now."""
        for daemon in oddities_serving.stray_daemons(self.layout):
            if daemon.oddity == item and not daemon.run.exists():
                stop_process(*daemon.identity, timeout=0)
                return True
        return False

    def _loop(self, item: Oddity) -> bool:
        if item not in oddities.loops(place_of(self.layout, item)):
            return False
        detach(item.name.partition(" ")[0])
        return True

    def _export(self, item: Oddity) -> bool:
        place = place_of(self.layout, item)
        if not place.exists or item not in oddities_serving.of_nfs(place, self.options):
            return False
        number = int(item.name.partition(" ")[0])
        nfs.ganesha(place, self.options).drop(number)
        return True

    def _link(self, item: Oddity) -> bool:
        fabric, space = self.fabric, place_of(self.layout, item).netns
        if fabric is None or item not in oddities_serving.links(self.layout, fabric):
            return False
        if item.of is None:
            if not fabric.unplug_stray(item.name.partition(" ")[0]):
                fabric.sweep()
        elif space is not None:
            name = item.name.rpartition(":")[2]
            fabric.detach(space, name)
            links.inside(space, f"removing {name}", lambda there: links.remove(there, name))
        return True
