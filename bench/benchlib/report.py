"""Turns results into docs/performance.md."""
import statistics

# What issues "Foundation", "Heap" and "Debugger" ask: row, who, figure, at most, unit, the peer it is compared with.
GOALS = [
    ("goroutines-100k", "gospect --consistency process", "pause_ms", 15, "ms stopped",
     "dlv, list with stacks"),
    ("goroutines-100k", "gospect --consistency process", "wall_ms", 600, "ms wall",
     "dlv, list with stacks"),
    ("goroutines-100k", "gospect --consistency process", "peak_mib", 300, "MiB ours",
     "dlv, list with stacks"),
    ("goroutines-10k", "gospect --consistency process", "wall_ms", 100, "ms wall",
     "dlv, list with stacks"),
    ("goroutines-10k", "gospect --consistency process", "pause_ms", 8, "ms stopped",
     "dlv, list with stacks"),
    ("waits-100k", "gospect leaks", "wall_ms", 1500, "ms wall", "pprof goroutineleak (in process)"),
    ("waits-100k", "gospect leaks", "pause_ms", 15, "ms stopped", "pprof goroutineleak (in process)"),
    ("waits-100k", "gospect waits", "wall_ms", 1500, "ms wall", None),
    ("counters", "gospect info", "wall_ms", 10, "ms wall", "dlv attach, detach"),
    ("core", "gospect core", "pause_ms", 120, "ms stopped", "gcore"),
    ("ps", "gospect ps", "wall_ms", 200, "ms wall", "gops"),
    ("heap-1g", "gospect heap", "wall_ms", 2500, "ms wall", "goref attach"),
    ("heap-1g", "gospect heap", "peak_mib", 382, "MiB ours", "goref attach"),
    ("heap-1g", "gospect heap", "pause_ms", 30, "ms stopped", "goref attach"),
    ("heap-4g", "gospect heap", "wall_ms", 11000, "ms wall", None),
    ("heap-4g", "gospect heap", "peak_mib", 1430, "MiB ours", None),
    ("heap-4g", "gospect heap", "pause_ms", 110, "ms stopped", None),
    ("heap-diff", "gospect mem diff", "wall_ms", 2000, "ms wall", None),
    ("condition", "gospect dap", "hit_us", 15, "µs a hit", "dlv dap"),
    ("log-point", "gospect dap", "hit_us", 25, "µs a hit", "dlv dap"),
    ("debug-attach", "gospect dap", "wall_ms", 50, "ms until ready", "dlv dap"),
    ("debug-attach", "gospect dap", "peak_mib", 60, "MiB ours", "dlv dap"),
    ("dap-10k", "gospect dap", "wall_ms", 100, "ms wall", "dlv dap"),
]
FIGURES = {"wall_ms": "wall, ms", "cpu_ms": "CPU, ms", "stopped_ms": "stopped, felt, ms",
           "pause_ms": "stopped, own figure, ms", "peak_mib": "peak memory, MiB"}
HIT_FIGURES = {"hit_us": "wall, µs a hit", "cpu_us": "the tool's CPU, µs a hit", "peak_mib": "peak memory, MiB"}

METHOD = """## Method
- `./dev bench` measures every tool in one run, on the same running targets, one after the other. `bench/README.md`
  says how to add a row.
- The targets (`bench/targets/`) feel their own pulse: a goroutine sleeps 100 µs in a loop and keeps the longest gap
  between two beats. *stopped, felt* is that gap. The first line of each table is the gap when nobody does anything: the
  noise of the machine, which is part of every other figure.
- *stopped, own figure* is what gospect itself measures and prints: from the first stopped thread to the last one resumed.
- *peak memory* is the tool's largest resident set, as the kernel reports it at its end (`bench/measure.c`). The forked copy
  of the target that a snapshot is read from shares its pages with the target and is not counted there.
- Every figure is the median of the runs, with the lowest in brackets when there were several. Peers that take minutes
  run once.
- *CPU* is the tool's own processor time: what the wall time comes down to on an idle machine.
- dlv prints every goroutine and every frame; gospect prints groups. Both read all of it.
- Debugging: both tools are driven by the same client, over the Debug Adapter Protocol. *wall, µs a hit* is the time of the
  measurement over the calls that the program itself counted in it. dlv tells a client of 1,024 goroutines at most;
  the answer counts until it has arrived, without what the client needs to understand it.
- A ratio compares the peer's figure with ours.
"""


def median(figures):
    return statistics.median(figures) if figures else None


def short(value):
    """Three significant digits, no exponent."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(figures):
    if not figures:
        return "–"
    if len(figures) == 1:
        return short(figures[0])
    return f"{short(median(figures))} ({short(min(figures))})"


def entry_of(results, row, who):
    entries = results["rows"].get(row, {}).get("entries", [])
    return next((e for e in entries if e["who"] == who), None)


def against_peer(entry, peer, figure):
    """The peer's figure and how many times ours it is; a pause is compared with the felt one."""
    if peer is None:
        return "–", "–"
    if peer["error"]:
        return "cannot", "–"
    theirs = median(peer["stopped_ms" if figure == "pause_ms" else figure])
    ours = median(entry[figure])
    if theirs is None or not ours:
        return short(theirs), "–"
    return short(theirs), f"{theirs / ours:,.0f} ×" if theirs >= 10 * ours else f"{theirs / ours:.1f} ×"


def goal_lines(results):
    yield "| work | figure | at most | ours | met | peer | peer's figure | ratio |"
    yield "|---|---|---|---|---|---|---|---|"
    for row, who, figure, limit, unit, peer in GOALS:
        if row not in results["rows"]:
            continue
        entry = entry_of(results, row, who)
        title, peer = results["rows"][row]["title"], peer or "–"
        if entry is None or entry["error"] or not entry[figure]:
            yield f"| {title} | {unit} | {limit} | failed | no | {peer} | | |"
            continue
        theirs, ratio = against_peer(entry, entry_of(results, row, peer), figure)
        met = "yes" if median(entry[figure]) <= limit else "no"
        yield (f"| {title} | {unit} | {limit} | {cell(entry[figure])} | {met} | {peer} | {theirs} "
               f"| {ratio} |")


def row_lines(row):
    yield f"### {row['title']}"
    yield ""
    figures = HIT_FIGURES if any(entry.get("hit_us") for entry in row["entries"]) else FIGURES
    yield f"| who | {' | '.join(figures.values())} | note |"
    yield "|---" * (len(figures) + 2) + "|"
    for entry in row["entries"]:
        note = f"could not: {entry['error']}" if entry["error"] else entry["note"]
        yield (f"| {entry['who']} | " + " | ".join(cell(entry[f]) for f in figures) +
               f" | {note.replace('|', '/')} |")
    yield ""


def less(ours, plain):
    return f"−{100 * (1 - ours / plain):.1f} %"


def encoding_lines(results):
    """What the measuring program of the snapshot encoding said (requirement G4)."""
    encoding = results.get("encoding")
    if not encoding:
        return
    yield "## Encoding of a snapshot against the plain one"
    yield ""
    yield ("Plain: every goroutine with its full list of pc, function, file and line; as packed binary, and as "
           "JSON. Ours: the tables of a snapshot in memory, and the file written from them. Asked for: at least "
           "−63 % memory and −41 % serialisation time, aim −95 % and −80 %. Least of nine runs.")
    yield ""
    yield ("| goroutines | stacks | plain | ours in memory | | our file | writing plain / JSON / ours, ms "
           "| against plain | against JSON | reading ours, ms |")
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for e in encoding:
        yield (f"| {e['goroutines']:,} | {e['stacks']} | {e['plain_bytes'] / 1e6:.1f} MB "
               f"| {e['bytes'] / 1e6:.2f} MB | {less(e['bytes'], e['plain_bytes'])} "
               f"| {e['file_bytes'] / 1e6:.2f} MB "
               f"| {short(e['plain_ms'])} / {short(e['json_ms'])} / {short(e['ms'])} "
               f"| {less(e['ms'], e['plain_ms'])} | {less(e['ms'], e['json_ms'])} "
               f"| {short(e['read_ms'])} |")
    yield ""


def peer_lines(results):
    yield "## Peers"
    yield ""
    yield "| tool | what it is | version, or why it is missing |"
    yield "|---|---|---|"
    for name, about in results["peers"].items():
        yield f"| {name} | {about['what']} | {about['version'] or about['error']} |"
    yield ""


def render(results):
    machine = results["machine"]
    lines = [
        "# Performance", "",
        "Written by `./dev bench`; the figures are in `bench/results.json`.", "",
        f"Commit {results['commit']}; {machine['cpu']}, {machine['cores']} processors, "
        f"{machine['memory_gib']} GiB, Linux {machine['kernel']}; targets built with Go "
        f"{results['go']}; load average at the start {machine['load']:.1f}. {results['remark']}".rstrip(), "",
        "## What was asked for", "", *goal_lines(results), "", "## All figures", "",
        "Median (lowest).", ""]
    for row in results["rows"].values():
        lines += row_lines(row)
    lines += [*encoding_lines(results), *peer_lines(results), METHOD.rstrip()]
    return "\n".join(lines) + "\n"
