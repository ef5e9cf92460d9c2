"""JSON that gospect writes, against the schemas of docs/formats."""
import functools
import json

import jsonschema

from lib.paths import ROOT


@functools.lru_cache(maxsize=None)
def validator(name):
    schema = json.loads((ROOT / "docs" / "formats" / f"{name}.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def check(name, data):
    """Fails unless data is what docs/formats/NAME.schema.json says; returns it."""
    problems = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}"
                for e in validator(name).iter_errors(data)]
    assert not problems, "\n".join(problems)
    return data
