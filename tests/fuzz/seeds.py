"""Write what the fuzzers begin with: documented errors, tortured bodies, right files."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from good_files import good_files
from strategies import renderings_of
from torture import bodies

from resilient.config.resources import names

folder = Path(sys.argv[1])
said = [each.answer.body for name in names("catalogs") for each in renderings_of(name)]
short = [each for each in bodies() if len(each) < 2000]
seeds = {
    "classify": [*said[::8], *short[::3]],
    "config": [good.text.encode() for good in good_files()],
}
for kind, content in seeds.items():
    (folder / kind).mkdir(parents=True, exist_ok=True)
    for i, each in enumerate(content):
        (folder / kind / f"seed{i}").write_bytes(each)
