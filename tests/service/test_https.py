"""`abaca serve` with a certificate: clients that trust it get in, over HTTPS and no other way."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.configuration import SINGLE, configuration
from support.serving import serving

SECONDS = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a certificate of 127.0.0.1 that signs itself, and its key."""
    made = tmp_path_factory.mktemp("https")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=abaca"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(made / "key.pem"), "-out", str(made / "cert.pem")),
        ],
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    return made


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[tuple[str, str]]:
    """The URL of a service with it, and the administrator's password."""
    tls = {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem"}
    file = configuration(folder, {"one": SINGLE}, DEFAULT=tls)
    with serving(file, folder / "log") as found:
        yield found


def test_whoever_trusts_the_certificate_gets_in(folder: Path, service: tuple[str, str]) -> None:
    """Logs in, and follows the catalog to the shares: all of it is HTTPS."""
    url, password = service
    assert url.startswith("https://127.0.0.1:")
    trust = ssl.create_default_context(cafile=folder / "cert.pem")
    domain = {"domain": {"id": "default"}}
    user = {"name": "admin", "password": password, **domain}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": "admin", **domain}}
    request = urllib.request.Request(  # noqa: S310 - https on loopback
        f"{url}/identity/v3/auth/tokens",
        data=json.dumps({"auth": {"identity": identity, "scope": scope}}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS, context=trust) as answer:  # noqa: S310
        token = answer.headers["X-Subject-Token"]
        catalog = json.load(answer)["token"]["catalog"]
    urls = {point["url"] for item in catalog for point in item["endpoints"]}
    assert urls
    assert all(item.startswith(f"{url}/") for item in urls)
    shares = next(
        item["endpoints"][0]["url"] for item in catalog if item["type"].startswith("shared-file")
    )
    request = urllib.request.Request(f"{shares}/shares", headers={"X-Auth-Token": token})  # noqa: S310
    with urllib.request.urlopen(request, timeout=SECONDS, context=trust) as answer:  # noqa: S310
        assert json.load(answer) == {"shares": []}


def test_others_do_not(service: tuple[str, str]) -> None:
    """A client that does not know the certificate goes away; without TLS nothing is answered."""
    url, _ = service
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{url}/v2/", timeout=SECONDS)  # noqa: S310 - https on loopback
    where = urlsplit(url)
    assert where.hostname
    plain = http.client.HTTPConnection(where.hostname, where.port, timeout=SECONDS)
    try:
        plain.request("GET", "/v2/")
        answer = plain.getresponse()
        assert answer.status == 400
        assert b"versions" not in answer.read()
    except (http.client.HTTPException, OSError):
        pass
    finally:
        plain.close()
