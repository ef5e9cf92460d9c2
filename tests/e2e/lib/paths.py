"""Where things are: the source tree, the build directories and the cache."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGETS = ROOT / "tests" / "targets"


def cache_dir():
    """${GOSPECT_CACHE}, else ~/.cache/gospect (the rule of tools/go-toolchain)."""
    if os.environ.get("GOSPECT_CACHE"):
        return pathlib.Path(os.environ["GOSPECT_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(base) / "gospect"


def build_dir(preset=None):
    """The build directory of a CMake preset (see CMakePresets.json); None: that of this run."""
    preset = preset or os.environ.get("GOSPECT_PRESET", "dev")
    return ROOT / ("build" if preset == "dev" else f"build-{preset}")
