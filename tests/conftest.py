"""Options of the test run, and the unit tests as pytest items.

Every test that CTest knows in build/ (and in build-asan/ with --asan) becomes an item of
tests/unit/CMakeLists.txt, so that one run of pytest says everything.
"""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SANITIZER_ENV = {"ASAN_OPTIONS": "detect_leaks=1",
                 "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}


def pytest_addoption(parser):
    group = parser.getgroup("gospect")
    group.addoption("--all", action="store_true",
                    help="every Go release, and everything with the sanitized build, too")
    group.addoption("--asan", action="store_true", help="also run what has the build of ./dev asan")


def pytest_configure(config):
    if config.getoption("--all"):
        os.environ["GOSPECT_TEST_ALL"] = "1"


def pytest_collection_modifyitems(config, items):
    """Unit tests first: they are quick, and a failure there explains others."""
    items.sort(key=lambda item: not isinstance(item, CTestItem))
    if not config.getoption("--all"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        if slow:
            config.hook.pytest_deselected(items=slow)
            items[:] = [item for item in items if item not in slow]


def pytest_collect_file(file_path, parent):
    if file_path == ROOT / "tests" / "unit" / "CMakeLists.txt":
        return CTestFile.from_parent(parent, path=file_path)
    return None


class CTestFile(pytest.File):
    """The tests of the build directories."""

    def collect(self):
        presets = [os.environ.get("GOSPECT_PRESET", "dev")]
        if self.config.getoption("--asan"):
            presets.append("asan")
        for build in (ROOT / ("build" if p == "dev" else f"build-{p}") for p in presets):
            yield from self.tests_of(build)

    def tests_of(self, build):
        listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True,
                                 stdout=subprocess.PIPE, text=True)
        for test in json.loads(listing.stdout)["tests"]:
            if "command" not in test:
                raise self.CollectError(f"{test['name']} of {build} is not built: run ./dev build")
            suffix = "" if build.name == "build" else f"[{build.name[len('build-'):]}]"
            yield CTestItem.from_parent(self, name=test["name"] + suffix, spec=test)


class CTestFailure(Exception):
    """A test program did not succeed; the text is what it printed."""


class CTestItem(pytest.Item):
    """One CTest test."""

    def __init__(self, *, spec, **kwargs):
        super().__init__(**kwargs)
        self.spec = spec
        self.properties = {p["name"]: p["value"] for p in spec.get("properties", [])}

    def runtest(self):
        env = dict(os.environ, **SANITIZER_ENV)
        env.update(pair.split("=", 1) for pair in self.properties.get("ENVIRONMENT", []))
        done = subprocess.run(self.spec["command"], check=False, env=env, stdin=subprocess.DEVNULL,
                              cwd=self.properties.get("WORKING_DIRECTORY", ROOT),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=self.properties.get("TIMEOUT", 1500))
        text = done.stdout.decode(errors="replace")
        if done.returncode == self.properties.get("SKIP_RETURN_CODE", "none"):
            pytest.skip(text.strip().splitlines()[-1] if text.strip() else "skipped itself")
        if done.returncode != 0:
            raise CTestFailure(f"{' '.join(self.spec['command'])}\n{text}"
                               f"exit code {done.returncode}")

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, CTestFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, self.name
