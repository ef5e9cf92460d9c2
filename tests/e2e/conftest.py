"""Fixtures of the end-to-end tests.

    go_build(release, mode, package)      builds a Go program (lib/gobuild.py), returns its path
    run_go(program, *args)                starts it and waits for its READY line (lib/process.py)
    gospect("goroutines", pid, "--json")  runs the built program (lib/tool.py)
    assert_unharmed(target)               the target lives and nothing is left in it

Arguments that are filled in for a test which has them:
    release   each Go release of this run (a subset, all with --all); narrow it with
              @pytest.mark.releases("1.18", "1.27")
    mode      each build mode; choose with @pytest.mark.modes("default", "stripped")
A test marked `sanitized` runs with the program of the asan preset as well; with --all every test does.
"""
import contextlib
import os
import shutil
import signal

import pytest

from lib import dapclient, dapserver, drive, gobuild, process, releases, tool
from lib.terminal import Terminal


def pytest_configure():
    """A run in the background of a shell ignores Ctrl-C, one under nohup SIGHUP, and its children would, too."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def preset_of_run(config, metafunc):
    """Which builds of gospect a test runs with: presets, GOSPECT_PRESET is the first."""
    first = tool.default_preset()
    if os.environ.get("GOSPECT_BIN") or not config.getoption("--asan"):
        return [first]
    marked = metafunc.definition.get_closest_marker("sanitized")
    unfit = metafunc.definition.get_closest_marker("unsanitized")
    return [first, "asan"] if (marked or config.getoption("--all")) and not unfit else [first]


def pytest_generate_tests(metafunc):
    names = metafunc.fixturenames
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "release" in names and not any("release" in str(arg) for arg in own):
        mark = metafunc.definition.get_closest_marker("releases")
        metafunc.parametrize("release", mark.args if mark else releases.releases())
    if "mode" in names and not any("mode" in str(arg) for arg in own):
        mark = metafunc.definition.get_closest_marker("modes")
        metafunc.parametrize("mode", mark.args if mark else gobuild.MODES)
    if "gospect_preset" in names:
        presets = preset_of_run(metafunc.config, metafunc)
        if len(presets) > 1:
            metafunc.parametrize("gospect_preset", presets, indirect=True)


@pytest.fixture(scope="session")
def go_build():
    """go_build(release, mode, package, flags=(), env=None) -> path of the program."""
    return gobuild.build


@pytest.fixture
def run_go(request):
    """Starts targets and ends them, by pid, when the test is over.

    run_go(program, *args, env=None, cwd=None, ready="READY", dump_pipe=False, unharmed=True)
    ready=None does not wait; unharmed=False leaves out the check that nothing was done to it.
    """
    with contextlib.ExitStack() as stack:
        started = []

        def run(program, *args, ready="READY", unharmed=True, **options):
            if "-race" in program.parent.name:
                options.setdefault("preexec", process.without_aslr)
            target = process.Target([program, *args], **options)
            stack.callback(target.close)
            if ready:
                target.wait_ready(ready)
            if unharmed:
                started.append(target)
            return target

        yield run
        report = getattr(request.node, "report_call", None)
        if report is None or report.passed:
            for target in started:
                if target.alive():
                    process.assert_unharmed(target, target_children(target))


def target_children(target):
    """The children that a target said to have (target.own_children), none by default."""
    return getattr(target, "own_children", ())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.report_call = outcome.get_result()


@pytest.fixture
def drive_launch(go_build):
    """drive_launch(package, release, mode, *args, env=None): a debugging session (lib/drive.py) that has launched a target."""
    with contextlib.ExitStack() as stack:
        def start(package, release, mode, *args, env=None):
            one = drive.Drive("launch", go_build(release, mode, package), *args, env=env)
            stack.callback(one.close)
            return one

        yield start


@pytest.fixture
def tmp_path(tmp_path, request):
    """pytest's own, but emptied when the test passed: cores and snapshots of a whole run are some 13 GB."""
    yield tmp_path
    report = getattr(request.node, "report_call", None)
    if report is not None and report.passed:
        shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def gospect_preset(request):
    return getattr(request, "param", tool.default_preset())


@pytest.fixture
def gospect(gospect_preset):
    """gospect(*args, check=None, env=None, stdin=b"", timeout=…) -> Result(code, out, err, json)."""
    return tool.program(gospect_preset)


@pytest.fixture
def gospect_start(gospect):
    """gospect.start(…) whose process is ended with the test."""
    started = []

    def start(*args, **options):
        started.append(gospect.start(*args, **options))
        return started[-1]

    yield start
    for popen in started:
        if popen.poll() is None:
            popen.kill()
        popen.communicate()


@pytest.fixture
def dap(gospect_start):
    """dap(*options) -> a client of a new gospect dap on its standard files; .popen is the process."""
    with contextlib.ExitStack() as stack:
        def start(*options, **popen):
            client = dapserver.on_stdio(gospect_start("dap", *options, stdin=-1, **popen))
            stack.callback(client.close)
            return client
        yield start


@pytest.fixture
def server(gospect_start):
    """server(*options) -> connect(): clients of one gospect dap --listen."""
    with contextlib.ExitStack() as stack:
        def start(*options, listen="127.0.0.1:0"):
            process_ = gospect_start("dap", "--listen", listen, *options)
            address = dapserver.address_of(process_)

            def connect():
                client = dapclient.connect(address)
                client.popen = process_
                stack.callback(client.close)
                return client
            connect.popen, connect.address = process_, address
            return connect
        yield start


@pytest.fixture
def terminal(gospect):
    """terminal("doctor", pid, rows=24, columns=80, env=None): gospect in a pty."""
    opened = []

    def start(*args, **options):
        opened.append(Terminal([gospect.path, *args], **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def assert_unharmed():
    return process.assert_unharmed
