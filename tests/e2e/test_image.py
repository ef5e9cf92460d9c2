"""What image/ reads from binaries, against Go's own readers: every section, entry, line row, type,
function, variable; no sampling but that of pcs inside functions."""
import re
import subprocess

import pytest

from lib import gobuild, oracle, process

DWARF = ("units", "dies", "lines", "types", "funcs", "scopes", "globals")
C_UNITS = [f"{compiler} {flags}" for compiler, flags in (
    ("gcc", "-gdwarf-4 -O2"), ("gcc", "-gdwarf-5 -O2"), ("gcc", "-gdwarf-5 -O0"),
    ("clang", "-gdwarf-4 -O2"), ("clang", "-gdwarf-5 -O2"))]


@pytest.mark.modes("default", "stripped", "pie", "trimpath", "race", "external", "rawdwarf")
def test_sections_and_build_info(go_build, release, mode):
    binary = go_build(release, mode, "values")
    for what in ("sections", "buildinfo"):
        oracle.assert_same(what, binary)


@pytest.mark.modes("default", "noopt", "race", "pie", "external")
def test_dwarf_of_go(go_build, release, mode):
    binary = go_build(release, mode, "values")
    for what in DWARF:
        oracle.assert_same(what, binary)


@pytest.mark.releases("1.24", "1.27")
@pytest.mark.parametrize("c", C_UNITS)
def test_dwarf_of_c(go_build, release, c):
    compiler, flags = c.split(" ", 1)
    binary = go_build(release, "cgo", "cvalues", env={"CC": compiler, "CGO_CFLAGS": flags})
    for what in DWARF:
        oracle.assert_same(what, binary)


@pytest.mark.modes("default", "noopt", "race", "pie", "external")
def test_function_table(go_build, release, mode):
    """Every function, and file and line of every row, against debug/gosym; symbols against debug/elf."""
    binary = go_build(release, mode, "values")
    for what in ("symbols", "pclnfuncs"):
        oracle.assert_same(what, binary)
    ours = oracle.lines(oracle.image_dump(), "pclnlines", binary)
    pcs = "".join(line.split("\t")[0] + "\n" for line in ours)
    assert ours == oracle.lines(oracle.go_oracle(), "pclnlines", binary, stdin=pcs)


def symbol(binary, name):
    """The address of an ELF symbol, by nm; None when there is none."""
    listing = subprocess.run(["nm", binary], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = [line.split()[0] for line in listing.splitlines() if line.split()[-1] == name]
    return int(found[0], 16) if found else None


@pytest.mark.modes("default", "noopt", "race", "pie", "external", "trimpath")
def test_module_data(go_build, release, mode):
    """What is found from the file alone is what the linker's symbols say."""
    binary = go_build(release, mode, "values")
    ours = dict(line.split("\t") for line in oracle.lines(oracle.image_dump(), "module", binary))
    names = {"moduledata": ("runtime.firstmoduledata",), "text": ("runtime.text",),
             "etext": ("runtime.etext",), "findfunctab": ("runtime.findfunctab",),
             "gofunc": ("go:func.*", "go.func.*"), "data": ("runtime.data",), "edata": ("runtime.edata",),
             "bss": ("runtime.bss",), "ebss": ("runtime.ebss",), "noptrdata": ("runtime.noptrdata",),
             "enoptrdata": ("runtime.enoptrdata",), "noptrbss": ("runtime.noptrbss",),
             "enoptrbss": ("runtime.enoptrbss",)}
    for key, candidates in names.items():
        wanted = [v for v in (symbol(binary, name) for name in candidates) if v is not None]
        assert [int(ours[key], 16)] == wanted, key


def test_table_without_symbols_and_sections(go_build, tmp_path, release):
    """Nothing of the function table depends on what stripping takes away."""
    for mode in ("default", "pie", "external"):
        whole = go_build(release, mode, "values")
        bare = tmp_path / f"{mode}-bare"
        subprocess.run(["strip", "-s", "-o", bare, whole], check=True)
        gobuild.elfedit.drop_section_headers(bare)
        for what in ("buildinfo", "module", "pclnfuncs", "pclnlines", "pclnframes", "words"):
            dump = oracle.image_dump()
            assert oracle.lines(dump, what, bare) == oracle.lines(dump, what, whole), (mode, what)


def frames_of(line):
    """[(function, place, func id)] of a line of `image_dump pclnframes`."""
    return [(name, place, int(func_id)) for name, place, _, func_id in
            (field.rsplit(" ", 3) for field in line.split("\t")[1:])]


def printed(name):
    """A function's name as the runtime prints it: type arguments left out."""
    start, end = name.find("["), name.rfind("]")
    return name if start < 0 or end < start else f"{name[:start]}[...]{name[end + 1:]}"


@pytest.mark.modes("default", "noopt", "race", "pie", "external")
def test_inlined_frames(go_build, run_go, release, mode):
    """At some pcs of every function: the frames that the program's own runtime gives."""
    binary = go_build(release, mode, "pcframes")
    ours = oracle.lines(oracle.image_dump(), "pclnframes", binary)
    wrapper = 1 + next(frames_of(line)[-1][2] for line in ours
                       if "\truntime.systemstack_switch " in line)
    anchor = symbol(binary, "main.anchor")
    target = subprocess.run(
        [binary], input="".join(f"{pc}\n" for pc in [f"{anchor:x}"] + [x.split("\t")[0] for x in ours]),
        stdout=subprocess.PIPE, text=True, check=True,
        preexec_fn=process.without_aslr if mode == "race" else None)
    theirs = target.stdout.splitlines()[1:]
    assert len(ours) == len(theirs)
    first = frames_of(ours[0])[-1][0]  # the runtime takes the name at offset 0 for none
    wrappers = {name for line in ours for name, _, func_id in frames_of(line) if func_id == wrapper}
    for mine, other in zip(ours, theirs):
        want = [tuple(field.rsplit(" ", 1)) for field in other.split("\t")[1:]]
        want = [(name or first, place.replace("?:0", ":0")) for name, place in want]
        have = [(printed(name), place) for name, place, _ in frames_of(mine)]
        want = [(printed(name), place) for name, place in want]
        if have != want:  # wrappers are hidden between others
            hidden = {printed(name) for name in wrappers}
            have = [f for f in have if f[0] not in hidden]
            want = [f for f in want if f[0] not in hidden]
        assert have == want, mine


@pytest.mark.modes("default", "noopt", "pie", "external")
def test_relocated_words(go_build, run_go, release, mode):
    """The words of module data as the file tells them, against the running program."""
    binary = go_build(release, mode, "values")
    words = [tuple(int(f, 16) for f in line.split("\t"))
             for line in oracle.lines(oracle.image_dump(), "words", binary)]
    target = run_go(binary)
    with open(f"/proc/{target.pid}/maps", encoding="ascii") as maps:
        lowest = min(int(line.split("-")[0], 16) for line in maps if str(binary) in line)
    slide = lowest - 0x400000 if mode == "pie" else 0
    # the words up to `end` (26) are addresses and counts that never change
    with open(f"/proc/{target.pid}/mem", "rb", buffering=0) as memory:
        for address, word in words[:26]:
            memory.seek(address + slide)
            live = int.from_bytes(memory.read(8), "little")
            assert live in (word, word + slide), hex(address)


def test_call_frames_of_go_are_those_of_the_function_table(go_build, release):
    """.debug_frame, as we run it, against the frame sizes of pclntab."""
    binary = go_build(release, "default", "values")
    sizes = {}
    for line in oracle.lines(oracle.image_dump(), "pcsp", binary):
        lo, hi, size = line.split("\t")
        sizes[int(lo, 16)] = (int(hi, 16), int(size))
    checked = 0
    for line in oracle.lines(oracle.image_dump(), "cfi", binary):
        fields = line.split("\t")
        if fields[1] == "none":
            continue
        lo, cfa = int(fields[0], 16), fields[2]
        if lo in sizes:
            assert cfa == f"r7+{sizes[lo][1] + 8}", line
            checked += 1
    assert checked > 1000


@pytest.mark.modes("default", "race")
def test_layouts_are_those_of_the_tables(go_build, release, mode):
    """The C reader against src/rt/gen/layouts.inc, which Go's debug/dwarf made."""
    ours = oracle.lines(oracle.image_dump(), "layout", go_build(release, mode, "values"))
    rt = oracle.ROOT / "src" / "rt"
    # the last row of a minor release serves its newest patch release, with which the tests build
    row = (rt / "gen" / "layouts.inc").read_text().split(f'RELEASE("{release}.')[-1]
    wanted = re.findall(r"(?:SIZE|AT)\([^)]*\)", row.split("END_RELEASE")[0])
    # left out: what this program does not have, and structures known by a variable, not by name
    out = re.findall(r'STRUCT\((\w+), "var ', (rt / "layout.def").read_text())
    out += re.findall(r"SIZE\((\w+), -1\)", "\n".join(ours))
    if mode == "race":  # the race detector adds fields at the end of some structures
        ours = [line for line in ours if line.startswith("AT(g, ")]
        wanted = [line for line in wanted if line.startswith("AT(g, ")]
    ours, wanted = (sorted(line for line in lines if line.split("(")[1].split(",")[0] not in out)
                    for lines in (ours, wanted))
    assert ours == wanted


# ---- debug files ----

def split(program, folder):
    """The program without symbols and DWARF, and a file with both, as distributions keep them apart."""
    folder.mkdir(exist_ok=True)
    stripped, debug = folder / program.name, folder / f"{program.name}.debug"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", program, stripped], check=True)
    return stripped, debug


def locals_of(gospect, subject):
    """What does not change with the moment: of which variables there is a value, and of which type."""
    seen = gospect("goroutines", subject, "--locals", "--json", "--filter", "func=main.main", check=0).json
    return [(v["name"], v["type"]) for g in seen["goroutines"] for v in g["locals"]]


@pytest.mark.releases("1.18", "1.23", "1.27")
@pytest.mark.modes("default", "pie")
def test_a_stripped_program_with_its_debug_file(gospect, go_build, run_go, release, mode, tmp_path):
    """What the whole program shows, it shows, live and as a core; without the file, and with that of another build, nothing."""
    program = go_build(release, mode, "locals")
    whole = locals_of(gospect, run_go(program).pid)
    assert whole
    stripped, debug = split(program, tmp_path / "p")
    target, core = run_go(stripped), tmp_path / "core"
    assert locals_of(gospect, target.pid) == whole
    gospect("core", target.pid, "-o", core, check=0)
    assert locals_of(gospect, core) == whole
    said = gospect("debug", "attach", target.pid, stdin=b"break main.main\ngoroutine 1\nframe 1 locals\n", check=0)
    assert "no DWARF" not in said.out + said.err
    (debug.parent / ".debug").mkdir()
    debug.rename(debug.parent / ".debug" / debug.name)
    assert locals_of(gospect, target.pid) == whole
    (debug.parent / ".debug" / debug.name).unlink()
    assert not locals_of(gospect, target.pid)
    debug.write_bytes(split(go_build(release, mode, "hello"), tmp_path / "q")[1].read_bytes())
    assert not locals_of(gospect, target.pid)
    debug.write_bytes(b"\x7fELF" + bytes(3000))
    assert not locals_of(gospect, target.pid)
