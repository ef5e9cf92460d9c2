"""The programs with which Go tests its own leak profile: runtime/testdata/testgoroutineleakprofile.

They come with the newest toolchain and are built with any release.  What they should leak is read from the test that
belongs to them (runtime/goroutineleakprofile_test.go): makeTest names firm leaks, makeFlakyTest those that may happen.
"""
import functools
import pathlib
import re

from lib import gobuild
from lib.paths import TARGETS, cache_dir
from lib.releases import goroot, newest

EXPERIMENT = {"1.26": {"GOEXPERIMENT": "goroutineleakprofile"}}
JUDGES = ("1.26", "1.27")  # releases with the profile
ENV = {"GODEBUG": "asyncpreemptoff=1", "GOMAXPROCS": "1"}
SUITES = {"base": ".", "goker": "goker"}


def runtime_dir():
    return pathlib.Path(goroot(newest())) / "src" / "runtime"


def adapted(text):
    """The program as it is, but for its end: verdict() (tests/targets/leakprof)."""
    text = re.sub(r"\bprof\.WriteTo\(os\.Stdout, 2\)", "verdict()", text)
    if "prof.WriteTo" in text:  # within the program: only where the release has the profile
        text = text.replace("prof.WriteTo(io.Discard, 2)", "look()")
    text = re.sub(r"\n\t*prof := pprof\.Lookup\(\"goroutineleak\"\)", "", text)
    for name in ("os", "io", "runtime/pprof"):
        if not re.search(rf"\b{name.rsplit('/', maxsplit=1)[-1]}\.\w", text.split(")", 1)[-1]):
            text = text.replace(f'\t"{name}"\n', "").replace(f'import "{name}"\n', "")
    return text


def build(release, suite, mode="default"):
    source = runtime_dir() / "testdata" / "testgoroutineleakprofile" / SUITES[suite]
    files = {path.name: adapted(path.read_text()) for path in source.glob("*.go")}
    files["verdict.go"] = (TARGETS / "leakprof" / "verdict.go.txt").read_text()
    files["go.mod"] = f"module leakprof\n\ngo {release}\n"
    folder = cache_dir() / "leakprof" / release / suite
    with gobuild.locked(cache_dir() / "leakprof" / f"{release}-{suite}.lock"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if not (folder / name).exists() or (folder / name).read_text() != text:
                (folder / name).write_text(text)
    return gobuild.build(release, mode, folder, env=EXPERIMENT.get(release, {}))


@functools.lru_cache(maxsize=None)
def cases():
    """{suite: {name: (firm, [regexps of function and wait reason])}}"""
    text = (runtime_dir() / "goroutineleakprofile_test.go").read_text()
    found = {"base": {}, "goker": {}}
    names = {name for path in (runtime_dir() / "testdata" / "testgoroutineleakprofile" / "goker").glob("*.go")
             for name in re.findall(r"register\(\"(\w+)\"", path.read_text())}
    for kind, name, body in re.findall(r"make(Flaky)?Test\(\"(\w+)\",?(.*?)\n?\t*\),\n", text, flags=re.S):
        suite = "goker" if name in names else "base"
        found[suite][name] = (not kind, re.findall(r"`(.*?)`", body))
    return found


@functools.lru_cache(maxsize=None)
def labels():
    """{name of a goker program: (type, sub-type)}, as their README has it: Resource, Communication or Mixed."""
    text = (runtime_dir() / "testdata" / "testgoroutineleakprofile" / "goker" / "README.md").read_text()
    found = {}
    for name, body in re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, flags=re.S | re.M):
        row = re.search(r"^\|\[.*?\|.*?\|.*?\|\s*([^|]+?)\s*\|\s*([^|]+?)\s*\|", body, flags=re.M)
        if row:
            found[name.replace("/", "")] = row.groups()
    return found
