"""Profiles as Go's own tool reads them: go tool pprof -raw, parsed."""
import collections
import os
import re
import subprocess

from lib.releases import goroot, newest

LOCATION = re.compile(r"^ +(\d+): (0x[0-9a-f]+)(?: M=\d+)? ?(.*)$")
FRAME = re.compile(r"(\S+) (\S+):(\d+):\d+(?: s=\d+)?$")
SAMPLE = re.compile(r"^ *((?:-?\d+ *)+): ((?:\d+ ?)*)$")


class Sample:
    """Values, and the stack as (function, file, line), innermost first."""

    def __init__(self, values, stack, bytes_label):
        self.values, self.stack, self.bytes = values, stack, bytes_label

    def __repr__(self):
        return f"{self.values} {self.bytes} {self.stack}"


class Profile:
    """types: the names of the values; samples: Sample; period, period_type."""

    def __init__(self, path):
        root = goroot(newest())
        text = subprocess.run([f"{root}/bin/go", "tool", "pprof", "-raw", str(path)], check=True, text=True,
                              env={**os.environ, "GOROOT": str(root), "GOTOOLCHAIN": "local", "GOFLAGS": ""},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout
        head, _, rest = text.partition("Samples:\n")
        samples, _, rest = rest.partition("Locations\n")
        locations, _, _ = rest.partition("Mappings\n")
        self.period_type = re.search(r"^PeriodType: (.*)$", head, re.M).group(1)
        self.period = int(re.search(r"^Period: (\d+)$", head, re.M).group(1))
        self.comments = re.findall(r"^Comment: (.*)$", head, re.M)
        first, *lines = samples.splitlines()
        self.types = first.replace("[dflt]", "").split()
        self.default = next((t.replace("[dflt]", "") for t in first.split() if "[dflt]" in t), "")
        self._locations = self._read_locations(locations)
        self.samples = self._read_samples(lines)

    @staticmethod
    def _read_locations(text):
        found, at = {}, None
        for line in text.splitlines():
            start = LOCATION.match(line)
            if start:
                at, line = int(start[1]), start[3]
                found[at] = []
            frame = FRAME.search(line.strip())
            if frame:
                found[at].append((frame[1], frame[2], int(frame[3])))
        return found

    def _read_samples(self, lines):
        found = []
        for line in lines:
            match = SAMPLE.match(line)
            if match:
                stack = [frame for loc in match[2].split() for frame in self._locations[int(loc)]]
                found.append(Sample([int(v) for v in match[1].split()], tuple(stack), None))
            elif "bytes:[" in line:
                found[-1].bytes = int(re.search(r"bytes:\[(\d+)", line)[1])
        return found

    def by_stack(self, within="main."):
        """Sums of the values, by stack and size of object, of the stacks through functions of a package."""
        sums = collections.defaultdict(lambda: [0] * len(self.types))
        for sample in self.samples:
            if any(func.startswith(within) for func, _, _ in sample.stack):
                total = sums[sample.stack, sample.bytes]
                for i, value in enumerate(sample.values):
                    total[i] += value
        return dict(sums)
