"""Backend and network sections: which driver and plugin, in which mode, and whether they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from abaca.config import extensions
from abaca.config.model import BackendConfig, NetworkConfig
from abaca.config.options import BACKEND, GROUPS, NETWORK, OLD_PLUGINS
from abaca.config.raw import listed, nearest
from abaca.config.values import Values
from abaca.config.wires import overlaps, shared_with_admins, without_wires
from abaca.drivers.driver import Driver, ServesAdmins
from abaca.errors import ConfigError
from abaca.modes import MULTI_MODES, DriverMode
from abaca.network.plugin import NetworkPlugin

OLD_MODE = "driver_handles_share_servers"
_YES = {"true", "1", "yes", "on"}
_NO = {"false", "0", "no", "off"}


class Backends:
    """Reads the backends that are enabled, and the network sections that they name."""

    def __init__(self, values: Values, *, host: str, availability_zone: str) -> None:
        self._values = values
        self._raw = values.raw
        self._host = host
        self._zone = availability_zone
        self.networks: dict[str, NetworkConfig] = {}

    def read(self, names: Sequence[str]) -> tuple[BackendConfig, ...]:
        """All of them; those with faults are missing in the result."""
        found: list[BackendConfig] = []
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                self._values.fault("DEFAULT", "enabled_share_backends", f"{name} is there twice")
            if self._named_well(name) and (backend := self._backend(name)) is not None:
                found.append(backend)
        self._check_storage(found)
        self._collect(overlaps(found))
        self._collect(shared_with_admins(found))
        self._collect(without_wires(found))
        return tuple(found)

    def unused(self) -> dict[str, str]:
        """Sections that look like backends or networks, but nothing names."""
        why: dict[str, str] = {}
        for section in self._raw.sections:
            if self._raw.has(section, "share_driver"):
                why[section] = "enabled_share_backends does not name it"
            elif self._raw.has(section, "network_plugin", "network_api_class"):
                why[section] = "no enabled backend names it"
        return why

    def _named_well(self, name: str) -> bool:
        option = "enabled_share_backends"
        if name in GROUPS or set(name) & set("@#, "):
            self._values.fault("DEFAULT", option, f"{name!r} can't be a backend's name")
        elif name not in self._raw.sections:
            others = set(self._raw.sections) - set(GROUPS)
            hint = nearest(name, others) or f"; write one, beginning with [{name}]"
            self._values.fault("DEFAULT", option, f"there is no section [{name}]{hint}")
        else:
            return True
        return False

    def _backend(self, name: str) -> BackendConfig | None:
        self._values.allow(name, OLD_MODE)
        common = self._values.of(name, BACKEND)
        driver_name, driver = self._driver(name, common)
        if driver is None:
            self._values.allow_all(name)
            return None
        values = self._values.of(name, driver.options)
        mode = self._mode(name, common, driver)
        if mode is None:
            return None
        network = self._network_of(name, common, mode)
        admin = self._admin_network(name, common, mode)
        self._collect(driver.faults(name, values, mode))
        if admin is not None:
            self._check_admin(name, driver, values)
        if network is None and mode in MULTI_MODES:
            return None
        return BackendConfig(
            name=name,
            host=f"{common['backend_host'] or self._host}@{name}",
            share_backend_name=str(common["share_backend_name"] or name),
            availability_zone=str(common["availability_zone"] or self._zone),
            driver_name=driver_name,
            driver=driver,
            mode=mode,
            network=network,
            admin_network=admin,
            values=values,
        )

    def _collect(self, lines: Sequence[str]) -> None:
        self._values.faults.extend(line for line in lines if line not in self._values.faults)

    def _driver(
        self, section: str, common: Mapping[str, object]
    ) -> tuple[str, type[Driver]] | tuple[str, None]:
        text = str(common["share_driver"] or "")
        known = extensions.names(extensions.DRIVERS)
        name = extensions.named(extensions.DRIVERS, text)
        if name is None:
            what = f"{text!r} is not installed{nearest(text, known)}" if text else "missing"
            self._values.fault(section, "share_driver", f"{what}; write {listed(known)}")
            return text, None
        try:
            return name, extensions.driver(name)
        except ConfigError as error:
            self._values.fault(section, "share_driver", error.faults[0])
            return name, None

    def _mode(
        self, section: str, common: Mapping[str, object], driver: type[Driver]
    ) -> DriverMode | None:
        able = [mode for mode in DriverMode if mode in driver.modes]
        text = str(common["driver_mode"] or "")
        old = self._raw.sections[section].get(OLD_MODE)
        if not text and old is not None:
            return self._old_mode(section, old, able)
        write = f"write driver_mode = {listed(able)}"
        if not text:
            self._values.fault(section, "driver_mode", f"missing; {write}")
        elif text not in set(DriverMode):
            self._values.fault(section, "driver_mode", f"{text!r} is unknown; {write}")
        elif text not in able:
            self._values.fault(
                section, "driver_mode", f"the {driver.name} driver does not do {text}; {write}"
            )
        else:
            mode = DriverMode(text)
            if old is not None and (old.lower() in _YES) is not mode.has_share_servers:
                self._values.fault(
                    section, OLD_MODE, f"contradicts driver_mode = {mode}; remove it"
                )
            return mode
        return None

    def _old_mode(self, section: str, text: str, able: Sequence[DriverMode]) -> DriverMode | None:
        if text.lower() in _NO and DriverMode.SINGLE in able:
            self._values.note(
                section, OLD_MODE, f"{text}: read as driver_mode = {DriverMode.SINGLE}"
            )
            return DriverMode.SINGLE
        fitting = [mode for mode in able if mode.has_share_servers is (text.lower() in _YES)]
        self._values.fault(
            section,
            OLD_MODE,
            f"{text} does not say which mode; write driver_mode = {listed(fitting or able)}",
        )
        return None

    def _network_of(
        self, backend: str, common: Mapping[str, object], mode: DriverMode
    ) -> NetworkConfig | None:
        group = str(common["network_config_group"] or "")
        if mode not in MULTI_MODES:
            if group:
                self._values.note(
                    backend, "network_config_group", f"not used: {mode} has no helper"
                )
            return None
        if not group and self._raw.has(backend, "network_plugin", "network_api_class"):
            group = backend
        if not group:
            self._values.fault(
                backend,
                "network_config_group",
                f"missing; {mode} needs a network section: write its name here, and network_plugin "
                "in it",
            )
        else:
            return self._network(group, backend, "network_config_group", mode)
        return None

    def _admin_network(
        self, backend: str, common: Mapping[str, object], mode: DriverMode
    ) -> NetworkConfig | None:
        option = "admin_network_config_group"
        group = str(common[option] or "")
        if group and mode not in MULTI_MODES:
            self._values.note(backend, option, f"not used: {mode} has no helper")
        elif group:
            return self._network(group, backend, option, DriverMode.FLAT)
        return None

    def _check_admin(self, name: str, driver: type[Driver], values: Mapping[str, object]) -> None:
        able: object = driver
        if isinstance(able, ServesAdmins):
            self._collect(able.admin_faults(name, values))
        else:
            self._values.fault(
                name,
                "admin_network_config_group",
                f"the {driver.name} driver has no admin networks; remove it",
            )

    def _network(
        self, section: str, backend: str, option: str, mode: DriverMode
    ) -> NetworkConfig | None:
        if section not in self._raw.sections or section in GROUPS:
            others = set(self._raw.sections) - set(GROUPS) - {backend}
            hint = nearest(section, others) or f"; write one, with network_plugin in [{section}]"
            self._values.fault(backend, option, f"there is no section [{section}]{hint}")
            return None
        network = self.networks.get(section) or self._plugin(section)
        if network is None:
            return None
        self.networks[section] = network
        plugin = network.plugin
        if mode not in plugin.modes:
            able = listed(item for item in DriverMode if item in plugin.modes)
            what = str(mode) if option == "network_config_group" else f"admins, who need {mode}"
            self._values.fault(
                backend,
                option,
                f"the {network.plugin_name} plugin of [{section}] can't serve {what}, only {able}; "
                "name a section with another network_plugin",
            )
            return None
        self._collect(plugin.faults(section, network.values, mode))
        return network

    def _plugin(self, section: str) -> NetworkConfig | None:
        text = str(self._values.of(section, NETWORK)["network_plugin"] or "")
        plugin = self._plugin_class(section, text)
        if plugin is None:
            self._values.allow_all(section)
            return None
        name, cls = plugin
        values = self._values.of(section, cls.options)
        return NetworkConfig(section=section, plugin_name=name, plugin=cls, values=values)

    def _plugin_class(self, section: str, text: str) -> tuple[str, type[NetworkPlugin]] | None:
        known = extensions.names(extensions.PLUGINS)
        name = extensions.named(extensions.PLUGINS, OLD_PLUGINS.get(text, text))
        if name is None:
            what = f"{text!r} is not installed{nearest(text, known)}" if text else "missing"
            self._values.fault(section, "network_plugin", f"{what}; write {listed(known)}")
            return None
        if name != text:
            self._values.note(section, "network_plugin", f"{text}: read as {name}")
        try:
            return name, extensions.plugin(name)
        except ConfigError as error:
            self._values.fault(section, "network_plugin", error.faults[0])
            return None

    def _check_storage(self, backends: Sequence[BackendConfig]) -> None:
        """Two backends would take each other's space, and each other's images for leftovers."""
        seen: dict[str, PurePath] = {}
        for backend in backends:
            value = backend.values.get("storage_path")
            if not value:
                continue
            path = PurePath(str(value))
            for other, taken in seen.items():
                if path.is_relative_to(taken) or taken.is_relative_to(path):
                    text = f"{path} overlaps {taken} of [{other}]; give each backend its own"
                    self._values.fault(backend.name, "storage_path", text)
            seen[backend.name] = path
