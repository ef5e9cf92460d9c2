"""Builds Go programs with any supported release and in any build mode, once.

A binary is kept in CACHE/targets/NAME-HASH, where the hash covers the sources, the exact release,
the mode and the place of the sources (Go writes file names into the binary).  A lock per binary
makes parallel runs wait for each other instead of building twice.
"""
import contextlib
import fcntl
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from lib import elfedit
from lib.paths import TARGETS, cache_dir
from lib.releases import goroot

# What a part of a mode means: arguments of go build, linker flags, whether cgo is needed.
# A mode is "default" or parts joined with "-", for instance "pie-stripped".  To add one, add a row.
PARTS = {
    "default": {},
    "stripped": {"ld": ["-s", "-w"]},
    "nodwarf": {"ld": ["-w"]},
    "nosections": {"ld": ["-s", "-w"], "drop_sections": True},
    "rawdwarf": {"ld": ["-compressdwarf=false"]},
    "external": {"ld": ["-linkmode=external"], "cgo": True},
    "pie": {"args": ["-buildmode=pie"]},
    "trimpath": {"args": ["-trimpath"]},
    "race": {"args": ["-race"], "cgo": True},
    "noopt": {"args": ["-gcflags=all=-N -l"]},
    "cgo": {"cgo": True},
}
# The modes that issue 3 names; tests that want them all parametrise over these.
MODES = ("default", "stripped", "nosections", "pie", "pie-stripped", "trimpath", "race", "cgo",
         "noopt", "external")
SOURCE_SUFFIXES = (".go", ".c", ".h", ".s", ".S", ".mod", ".sum", ".work")


class BuildError(Exception):
    """go build failed; the text is what it printed."""


class Mode:
    """The arguments that a mode's parts add up to."""

    def __init__(self, name):
        self.name = name
        self.args, self.ld, self.cgo, self.drop_sections = [], [], False, False
        for part in name.split("-"):
            if part not in PARTS:
                raise ValueError(f"unknown build mode {part!r} in {name!r}")
            row = PARTS[part]
            self.args += row.get("args", [])
            self.ld += [flag for flag in row.get("ld", []) if flag not in self.ld]
            self.cgo = self.cgo or row.get("cgo", False)
            self.drop_sections = self.drop_sections or row.get("drop_sections", False)

    def flags(self):
        return self.args + ([f"-ldflags={' '.join(self.ld)}"] if self.ld else [])


def go_env(release, cgo=False, extra=None):
    """The environment in which a release builds: nothing of the user's Go settings leaks in."""
    root = goroot(release)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GO", "CGO_"))}
    for keep in ("GOSPECT_CACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE"):
        if keep in os.environ:
            env[keep] = os.environ[keep]
    exact = pathlib.Path(root).name
    env.update(GOROOT=root, GOTOOLCHAIN="local", GOFLAGS="", GOWORK="off", GOENV="off",
               GO111MODULE="on", CGO_ENABLED="1" if cgo else "0",
               GOCACHE=str(cache_dir() / "gobuild" / exact),
               GOPATH=str(cache_dir() / "gopath"),
               PATH=f"{root}/bin:{os.environ.get('PATH', '/usr/bin:/bin')}")
    env.update(extra or {})
    return env


def module_dir(package):
    """The directory of the go.mod that a package directory belongs to."""
    for folder in (package, *package.parents):
        if (folder / "go.mod").exists():
            return folder
    raise BuildError(f"{package}: no go.mod here or above")


def source_files(package):
    """What a build of this package reads: of tests/targets the package and lib/, else the module."""
    module = module_dir(package)
    folders = [package, TARGETS / "lib"] if module == TARGETS else [module]
    files = {module / "go.mod", module / "go.sum"}
    for folder in folders:
        files.update(p for p in folder.rglob("*") if p.suffix in SOURCE_SUFFIXES)
    return sorted(p for p in files if p.is_file())


@functools.lru_cache(maxsize=None)
def c_compiler():
    """What gcc says it is: part of the hash of everything built with cgo."""
    done = subprocess.run(["gcc", "--version"], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[0]


def content_hash(package, release, mode, flags):
    digest = hashlib.sha256()
    for word in (str(package), goroot(release), mode.name, c_compiler() if mode.cgo else "",
                 *flags):
        digest.update(word.encode() + b"\0")
    for path in source_files(package):
        digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


@contextlib.contextmanager
def locked(path):
    """An exclusive lock between processes, by a file next to the thing it guards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run_go_build(package, release, mode, flags, env, output):
    command = [f"{goroot(release)}/bin/go", "build", "-buildvcs=false", *mode.flags(), *flags,
               "-o", str(output), "."]
    done = subprocess.run(command, cwd=package, env=go_env(release, mode.cgo, env),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)} in {package} (Go {release}):\n{done.stdout}")


def once(program, make):
    """A program of the cache, in a folder of its own: as it is, or what make(scratch) returns, made there now."""
    folder = program.parent
    if program.exists():
        return program
    with locked(folder.parent / f"{folder.name}.lock"):
        if program.exists():
            return program
        folder.mkdir(parents=True, exist_ok=True)
        scratch = pathlib.Path(tempfile.mkdtemp(prefix="build.", dir=folder))
        try:
            make(scratch).rename(program)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return program


def build(release, mode, package, flags=(), env=None):
    """The path of the program: built now, or kept from an earlier run.

    release: "1.24" (tools/go-releases.txt); mode: see PARTS; package: a directory below
    tests/targets or any other; flags, env: more of go build's own.
    """
    package = pathlib.Path(package)
    package = (package if package.is_absolute() else TARGETS / package).resolve()
    mode = Mode(mode)
    env = dict(env or {})
    key = content_hash(package, release, mode, [*flags, *(f"{k}={v}" for k, v in env.items())])
    folder = cache_dir() / "targets" / f"{package.name}-{release}-{mode.name}-{key}"
    program = folder / package.name
    def make(scratch):
        output = scratch / package.name
        run_go_build(package, release, mode, flags, env, output)
        if mode.drop_sections:
            elfedit.drop_section_headers(output)
        return output
    return as_new_as_its_sources(once(program, make), package)


def as_new_as_its_sources(program, package):
    """A checkout makes the same sources anew: the program that was kept is not older than they are."""
    if max(p.stat().st_mtime for p in source_files(package)) > program.stat().st_mtime:
        os.utime(program)
    return program
