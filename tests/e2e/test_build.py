"""The build itself: the same bytes wherever it is made, and an installation that is complete."""
import os
import pathlib
import shutil
import subprocess

import pytest

from lib.paths import ROOT


def run(*argv, **options):
    done = subprocess.run([str(a) for a in argv], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def copy_of_sources(where):
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, names.split("\0")):
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, where / name)
    return where


def release_of(where):
    kept = {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME", "GOSPECT_CACHE") if name in os.environ}
    node = pathlib.Path(shutil.which("node")).parent
    env = {**kept, "PATH": f"/usr/bin:/bin:{node}", "CCACHE_DISABLE": "1"} # the cache has the compiler of the page
    run("cmake", "--preset", "release", cwd=where, env=env)
    run("cmake", "--build", "build-release", "--target", "gospect", "gospect-docs", cwd=where,
        env=env)
    return where / "build-release"


@pytest.mark.slow
def test_release_is_reproducible(tmp_path):
    first = release_of(copy_of_sources(tmp_path / "one"))
    second = release_of(copy_of_sources(tmp_path / "two" / "deeper"))
    assert (first / "gospect").read_bytes() == (second / "gospect").read_bytes()
    assert str(tmp_path).encode() not in (first / "gospect").read_bytes()


def test_installation_is_complete(tmp_path, gospect):
    run("cmake", "--install", ROOT / "build", "--prefix", tmp_path)
    program = tmp_path / "bin" / "gospect"
    assert run(program, "version") == gospect("version", check=0).out
    verbs = {line.split()[0] for line in run(program, "--help").splitlines()
             if line.startswith("  ") and line[2:3].islower()}
    assert "goroutines" in verbs
    for page in ["gospect", *(f"gospect-{verb}" for verb in verbs)]:
        assert (tmp_path / "share/man/man1" / f"{page}.1").exists(), page
    for script in ("bash-completion/completions/gospect", "zsh/site-functions/_gospect",
                   "fish/vendor_completions.d/gospect.fish"):
        assert (tmp_path / "share" / script).stat().st_size > 0
