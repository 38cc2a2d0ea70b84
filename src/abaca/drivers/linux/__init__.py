"""The reference driver: real share servers on a Linux host, in all three modes."""

from abaca.drivers.linux.driver import LinuxDriver

__all__ = ["LinuxDriver"]
