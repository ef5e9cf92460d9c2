"""The public JSON schema of the Debug Adapter Protocol, and messages against it.

It comes with the Go module google/go-dap (MIT for the schema's text, which is Microsoft's), fetched as
other modules are, by version and sum; nothing of it is kept in this repository.  Where the schema says
`_enum` it means suggestions, `enum` is binding.
"""
import functools
import json
import pathlib
import subprocess

import jsonschema

from lib import gobuild, releases

MODULE, VERSION = "github.com/google/go-dap", "v0.12.0"
SUM = "h1:rVcjv3SyMIrpaOoTAdFDyHs99CwVOItIJGKLQFQhNeM="
OWN = ("goroutinesSnapshot", "sessionLog", "writeCore")  # requests and events of ours: docs/formats/dap.md


@functools.lru_cache(maxsize=None)
def definitions():
    """The schema's definitions, as a whole schema for jsonschema."""
    release = releases.newest()
    out = subprocess.run([f"{releases.goroot(release)}/bin/go", "mod", "download", "-json", f"{MODULE}@{VERSION}"],
                         env=gobuild.go_env(release), cwd="/", check=True, stdout=subprocess.PIPE).stdout
    got = json.loads(out)
    assert got["Sum"] == SUM, f"{MODULE}: sum {got['Sum']}, expected {SUM}"
    return json.loads((pathlib.Path(got["Dir"]) / "cmd" / "gentypes" / "debugProtocol.json").read_text())


@functools.lru_cache(maxsize=None)
def validator(name):
    schema = definitions()
    if name not in schema["definitions"]:
        return None
    return jsonschema.Draft4Validator({**schema, "$ref": f"#/definitions/{name}"})


def definition(command, suffix):
    return command[0].upper() + command[1:] + suffix


def check(message, name):
    judge = validator(name)
    assert judge, f"the protocol has no {name}"
    problems = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in judge.iter_errors(message)]
    assert not problems, f"{name}: {problems}\n{json.dumps(message)[:2000]}"


def check_request(message):
    command = message["command"]
    check(message, "Request")
    if command not in OWN:
        check(message, definition(command, "Request"))


def check_from_adapter(message):
    kind = message["type"]
    if kind == "request":
        check(message, definition(message["command"], "Request"))
    elif kind == "event":
        check(message, "Event" if message["event"] in OWN else definition(message["event"], "Event"))
    elif not message["success"]:
        check(message, "ErrorResponse")
    elif message["command"] in OWN:
        check(message, "Response")
    else:
        check(message, definition(message["command"], "Response"))
