"""Each lint rule accepts a small clean tree and refuses it with one fault put in."""

import pathlib
import shutil
import subprocess

import pytest

RULES = pathlib.Path(__file__).parent / "rules"
ROOT = pathlib.Path(__file__).parents[2]

CLEAN = {
    "server/base/one.h": "/* What it does. */\n#ifndef GW_BASE_ONE_H\n#define GW_BASE_ONE_H\n\n"
                         "int gw_one(void);\n\n#endif\n",
    "server/base/one.c": '/* What it is for. */\n#include "server/base/one.h"\n\n'
                         "int gw_one(void)\n{\n        return 1;\n}\n",
    "server/model/two.h": "/* What it does. */\n#ifndef GW_MODEL_TWO_H\n#define GW_MODEL_TWO_H\n\n#endif\n",
    "tests/unit/server/base/one_test.c": "/* Tests. */\n",
    "tests/one.py": '"""Nothing."""\n',
    "deploy/up": "#!/usr/bin/env bash\nset -euo pipefail\necho up\n",
    "migrations/0001_record.sql": "SELECT 1;\n",
    "README.md": "# A clean tree\n",
}
LONG = "int gw_long(void);\nint gw_long(void)\n{\n" + "        ;\n" * 95 + "        return 1;\n}\n"
# rule -> [(file, text put at its end, what the rule says)]
FAULTS = {
    "format.py": [("server/base/one.c", "int  x;\n", "one.c")],
    "cppcheck.py": [("server/base/one.c", "int gw_two(int *p);\nint gw_two(int *p)\n{\n        int a[2];\n"
                     "        a[2] = *p;\n        return a[0];\n}\n", "arrayIndexOutOfBounds")],
    "layers.py": [
        ("server/base/one.c", '#include "server/model/two.h"\n', "may not include server/model"),
        ("server/base/one.c", "#include <microhttpd.h>\n", "belongs to server/http/"),
        ("server/base/one.c", '#include "one.h"\n', "no path from the root"),
        ("server/base/one.c", "#include <zlib/zlib.h>\n", "has no place yet"),
    ],
    "banned.py": [
        ("server/base/one.c", "void f(char *a) { strcpy(a, \"b\"); }\n", "strcpy()"),
        ("tests/lint/banned.allow", "server/base/one.c strcpy 1 once there\n", "1 counted, 0 there"),
    ],
    "size.py": [("server/base/one.c", LONG, "gw_long() has 96 lines"),
                ("server/base/one.c", "\n" * 901, "at most 900")],
    "words.py": [("README.md", "TO" "DO: say more\n", "unfinished"), ("README.md", "trailing \n", "blanks"),
                 ("README.md", "see {root}/build\n", "a path of this machine")],
    "heads.py": [("server/base/bad.c", "int x;\n", "begin with a comment"),
                 ("server/base/bad.h", "/* x */\n#ifndef BAD_H\n#define BAD_H\n#endif\n", "the guard")],
    "tree.py": [("docs/x.md", "x\n", "docs: has no place"), ("migrations/0003_x.sql", "SELECT 1;\n", "the numbers are"),
                ("migrations/x.sql", "SELECT 1;\n", "not named"),
                ("tests/unit/server/nowhere/x_test.c", "/* */\n", "could mirror")],
    "shell.sh": [("deploy/up", "cd $1\n", "SC2086"), ("deploy/down", "#!/bin/sh\ntrue\n", "no set -eu")],
    "spelling.sh": [("README.md", "a seperate word\n", "separate")],
    "python.sh": [("tests/one.py", "import os\n", "F401")],
}


@pytest.fixture
def tree(tmp_path):
    for name, text in CLEAN.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "deploy/up").chmod(0o755)
    shutil.copy(ROOT / ".clang-format", tmp_path)
    return tmp_path


def run(rule, tree):
    return subprocess.run([RULES / rule, tree], cwd=tree, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_every_rule_has_a_fault_here():
    assert {path.name for path in RULES.iterdir() if path.suffix in (".py", ".sh")} == set(FAULTS)


@pytest.mark.parametrize("rule", FAULTS)
def test_a_clean_tree_passes(rule, tree):
    done = run(rule, tree)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule,file,text,says", [(rule, *fault) for rule, faults in FAULTS.items() for fault in faults])
def test_a_fault_is_found(rule, file, text, says, tree):
    path = tree / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as out:
        out.write(text.replace("{root}", str(tree)))
    if file.startswith("deploy"):
        path.chmod(0o755)
    done = run(rule, tree)
    assert done.returncode != 0, "the fault was not found"
    assert says in done.stdout + done.stderr
