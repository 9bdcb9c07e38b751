"""The README's Python is run as it stands."""

import re


def test_the_readme_examples_run(root):
    readme = (root / "README.md").read_text()
    blocks = list(re.finditer(r"```python\n(.*?)```", readme, re.DOTALL))
    assert blocks
    names = {}
    for block in blocks:
        lines_above = readme.count("\n", 0, block.start(1))  # so that tracebacks fit
        exec(compile("\n" * lines_above + block[1], "README.md", "exec"), names)
