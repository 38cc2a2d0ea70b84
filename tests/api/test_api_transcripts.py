"""HTTP transcripts: each file of ``transcripts/`` is a conversation that must go as written.

A file says ``proves:`` (one line), optionally ``setup:`` (functions of
``setups/``, as ``file.function``; called with the database, they return
variables) and ``steps:``. A step is one request:

    - does: what this step is about
      as: alice                # a caller of conftest.py; none: without a token
      version: "2.7"           # none: no header
      POST: /v2/share-networks # ${name} is a variable
      headers: {X-Thing: "1"}
      body: {share_network: {name: n}}
      status: 200
      expect:                  # path into the JSON answer: value
        share_network.name: n
        share_network.id: <uuid>
        share_networks.length: 1
        share_networks.0.name: /^n/   # between slashes: a regular expression
      answer_headers: {Vary: /Version/}
      save: {network: share_network.id}

Values in angle brackets: <any> (there, null included), <absent>, <uuid>,
<time> (a timestamp without zone). Keys with dots are quoted in the path:
``share_type."share_type_access:is_public"``.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
FILES = sorted((HERE / "transcripts").glob("*.yaml"))
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
STEP_KEYS = {
    "does", "as", "version", "headers", "body", "status", "expect", "answer_headers", "save",
    *METHODS,
}  # fmt: skip
ABSENT = object()
PATTERNS = {
    "<uuid>": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}",
}


def dig(body: Any, path: str) -> Any:
    """What the path leads to, or ABSENT."""
    for quoted, plain in re.findall(r'"([^"]+)"|([^.]+)', path):
        part = quoted or plain
        if part == "length" and isinstance(body, list):
            return len(body)
        if isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
        elif isinstance(body, dict) and part in body:
            body = body[part]
        else:
            return ABSENT
    return body


def matches(wanted: Any, found: Any) -> bool:
    """Whether the value found is what the transcript says."""
    if wanted == "<absent>" or found is ABSENT:
        return wanted == "<absent>" and found is ABSENT
    if wanted == "<any>":
        return True
    if isinstance(wanted, str) and wanted in PATTERNS:
        return isinstance(found, str) and re.fullmatch(PATTERNS[wanted], found) is not None
    if isinstance(wanted, str) and len(wanted) > 2 and wanted[0] == wanted[-1] == "/":
        return isinstance(found, str) and re.search(wanted[1:-1], found) is not None
    return type(wanted) is type(found) and wanted == found


def filled(value: Any, variables: dict[str, str]) -> Any:
    """The value with every ${name} replaced."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda name: variables[name[1]], value)
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    if isinstance(value, dict):
        return {filled(k, variables): filled(v, variables) for k, v in value.items()}
    return value


def set_up(name: str, client: Any) -> dict[str, str]:
    """Run ``file.function`` of ``setups/``; its variables."""
    file, function = name.split(".")
    spec = importlib.util.spec_from_file_location(f"setup_{file}", HERE / "setups" / f"{file}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, function)(client.db) or {}


def run_step(client: Any, step: dict[str, Any], variables: dict[str, str]) -> None:
    """One request and what must come of it."""
    assert set(step) <= STEP_KEYS, f"unknown keys {set(step) - STEP_KEYS}"
    (method,) = [key for key in step if key in METHODS]
    result = client.call(
        None if step.get("as") == "none" else step.get("as", "alice"),
        method,
        filled(step[method], variables),
        version=step.get("version"),
        body=filled(step.get("body"), variables),
        headers=filled(step.get("headers"), variables),
    )
    told = f"{step.get('does', '')}: {method} {step[method]} -> {result.status_code} {result.text}"
    assert result.status_code == step["status"], told
    body = result.json if result.content and "json" in result.headers["content-type"] else ABSENT
    for path, wanted in (filled(step.get("expect"), variables) or {}).items():
        found = dig(body, path)
        shown = "absent" if found is ABSENT else repr(found)
        assert matches(wanted, found), f"{path} is {shown}, wanted {wanted!r}; {told}"
    for name, wanted in (step.get("answer_headers") or {}).items():
        found = result.headers.get(name, ABSENT)
        assert matches(wanted, found), f"header {name} is {found!r}, wanted {wanted!r}; {told}"
    for name, path in (step.get("save") or {}).items():
        value = dig(body, path)
        assert value is not ABSENT, f"{path} is absent; {told}"
        variables[name] = value


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_transcript(file: Path, client: Any) -> None:
    """The conversation goes as the file says."""
    transcript = yaml.safe_load(file.read_text())
    assert set(transcript) <= {"proves", "setup", "steps"}, file
    assert transcript["proves"], file
    variables: dict[str, str] = {}
    for name in transcript.get("setup", []):
        variables |= set_up(name, client)
    for step in transcript["steps"]:
        run_step(client, step, variables)
