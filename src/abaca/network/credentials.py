"""Who Abaca is at a service of a cloud, and where that is: for every plugin that asks one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oslo_config import cfg

from abaca.network.section import Values, text_of

PASSWORD, APPLICATION, NONE = "password", "v3applicationcredential", "none"
NEEDED = {
    PASSWORD: ("auth_url", "username", "password"),
    APPLICATION: ("auth_url", "application_credential_id", "application_credential_secret"),
    NONE: ("endpoint_override",),
}
"""Options that each auth_type can't do without."""
GIVEN = {
    PASSWORD: (*NEEDED[PASSWORD], "project_name", "user_domain_name", "project_domain_name"),
    APPLICATION: NEEDED[APPLICATION],
    NONE: ("token",),
}
"""Options of the keystoneauth plugin of that name."""
REFUSED = (
    "the credentials are refused; write good ones into the section: username, password and "
    "project_name, or application_credential_id and application_credential_secret"
)
"""What to do about a 401, of Keystone or of a service."""
UNKNOWN = (
    "Keystone does not know what the section names; write an auth_url, and an "
    "application_credential_id with its application_credential_secret, that are there"
)
"""What to do about a 404 of Keystone's, as for an application credential that was deleted."""
ADVICE = {401: REFUSED, 404: UNKNOWN}
"""By the status that an exception of keystoneauth has, when nobody could log in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of a cloud, and how its options differ from another's."""

    name: str
    type: str
    """In Keystone's catalog."""
    endpoint: str
    """What `endpoint_override` holds."""
    endpoint_sample: str
    believes: str
    """What it believes where there is no Keystone."""
    rights: str = ""
    """A sentence on what it must be there."""
    none: tuple[cfg.Opt, ...]
    """Options for auth_type = none."""
    none_needs: tuple[str, ...] = ()
    old: Mapping[str, str] = field(default_factory=dict)
    """Names that options have in a manila.conf."""

    def options(self) -> tuple[cfg.Opt, ...]:
        """What a section of the service has to say about log-in and endpoint."""
        return (
            cfg.StrOpt(
                "auth_type",
                default=PASSWORD,
                choices=[
                    (PASSWORD, "user name and password, at Keystone"),
                    (APPLICATION, "an application credential, at Keystone"),
                    (NONE, f"a {self.name} without Keystone, which believes {self.believes}"),
                ],
                help=f"How Abaca says who it is.{self.rights}",
            ),
            *_AT_KEYSTONE,
            *self.none,
            *self._endpoint(),
            cfg.StrOpt("cafile", help="PEM file of the certificate authorities to trust."),
            cfg.BoolOpt(
                "insecure", default=False, help="Don't verify certificates. Not for production."
            ),
            cfg.FloatOpt(
                "request_timeout",
                default=15.0,
                min=0.1,
                help=f"Seconds to wait for an answer, of Keystone or {self.name}.",
                deprecated_opts=self._old("request_timeout"),
            ),
        )

    def _endpoint(self) -> tuple[cfg.Opt, ...]:
        return (
            cfg.StrOpt("region_name", help="Region of the catalog, if it has several."),
            cfg.StrOpt(
                "interface",
                default="public",
                choices=["public", "internal", "admin"],
                help=f"Which of {self.name}'s endpoints in the catalog is used.",
                deprecated_opts=self._old("interface"),
            ),
            cfg.StrOpt(
                "endpoint_override",
                help=f"{self.endpoint}, instead of the one in the catalog.",
                sample_default=self.endpoint_sample,
                deprecated_opts=self._old("endpoint_override"),
            ),
        )

    def _old(self, name: str) -> list[cfg.DeprecatedOpt]:
        return [cfg.DeprecatedOpt(self.old[name])] if name in self.old else []

    def faults(self, values: Values) -> list[str]:
        """What is wrong with log-in and endpoint, one line per fault that says what to write."""
        kind = text_of(values, "auth_type")
        if kind not in NEEDED:
            return [f"auth_type: {kind!r} is unknown; write {PASSWORD}, {APPLICATION} or {NONE}"]
        needed = (*NEEDED[kind], *(self.none_needs if kind == NONE else ()))
        lines = [
            f"{name}: missing; auth_type = {kind} needs it"
            for name in needed
            if not text_of(values, name)
        ]
        lines += [
            f"{name}: {text!r} is no URL; write one, beginning with https://"
            for name in ("auth_url", "endpoint_override")
            if (text := text_of(values, name)) and not text.startswith(("http://", "https://"))
        ]
        return lines


_AT_KEYSTONE: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "auth_url", help="Keystone's URL.", sample_default="https://keystone.example.org/v3"
    ),
    cfg.StrOpt("username", help="Abaca's user in the cloud."),
    cfg.StrOpt("password", secret=True, help="Its password."),
    cfg.StrOpt(
        "project_name",
        default="service",
        help="The project that the user works in, and that owns what Abaca makes.",
    ),
    cfg.StrOpt("user_domain_name", default="Default", help="Domain of the user."),
    cfg.StrOpt("project_domain_name", default="Default", help="Domain of the project."),
    cfg.StrOpt("application_credential_id", help="ID of the application credential."),
    cfg.StrOpt("application_credential_secret", secret=True, help="Its secret."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a service is, and who Abaca is there."""

    auth_type: str
    credentials: Mapping[str, str] = field(repr=False)
    """Options of the keystoneauth plugin of that type."""
    headers: Mapping[str, str] = field(repr=False)
    """Sent with every request to a service without Keystone."""
    endpoint: str | None
    region: str | None
    interface: str
    verify: bool | str
    timeout: float

    @classmethod
    def parse(cls, values: Values, headers: Mapping[str, str]) -> Access:
        """From values that have defaults and no `Service.faults`; headers go with ``none`` only."""
        kind = text_of(values, "auth_type")
        texts = {name: text_of(values, name) for name in GIVEN[kind]}
        return cls(
            auth_type=kind,
            credentials={name: text for name, text in texts.items() if text},
            headers=dict(headers) if kind == NONE else {},
            endpoint=text_of(values, "endpoint_override").rstrip("/") or None,
            region=text_of(values, "region_name") or None,
            interface=text_of(values, "interface"),
            verify=(False if values.get("insecure") is True else text_of(values, "cafile") or True),
            timeout=float(text_of(values, "request_timeout")),
        )

    def session(self) -> Any:  # noqa: ANN401 - a keystoneauth1.session.Session, untyped here
        """A new session, which asks nobody yet. Raises what keystoneauth raises."""
        # Imported only where a cloud is configured: half of a service's start-up time otherwise.
        from keystoneauth1 import loading  # noqa: PLC0415
        from keystoneauth1.session import Session  # noqa: PLC0415

        options, name = dict(self.credentials), self.auth_type
        if self.auth_type == NONE:
            options["endpoint"] = self.endpoint or ""
            name = "admin_token" if "token" in options else "none"
        loader: Any = loading.get_plugin_loader(name)
        session = Session(
            auth=loader.load_from_options(**options),
            verify=self.verify,
            timeout=self.timeout,
            app_name="abaca",
        )
        session.additional_headers.update(self.headers)
        return session
