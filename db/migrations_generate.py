#!/usr/bin/env python3
"""Makes C of migrations/: migrations_generate.py OUTPUT.c FILE.sql...

Files are NNNN_name.sql, numbered from 1 without a gap.
"""
import re
import sys
from pathlib import Path


def c_string(text):
    """Lines of C literals; a digit after an octal escape of three digits cannot be drawn into it."""
    escaped = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "?": "\\?"}
    lines = []
    for line in text.splitlines(keepends=True):
        body = "".join(
            escaped.get(chr(byte), chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}")
            for byte in line.encode())
        lines.append(f'     "{body}"')
    return "\n".join(lines) or '     ""'


def main(output, files):
    paths = sorted(map(Path, files), key=lambda path: path.name)
    rows = []
    for number, path in enumerate(paths, 1):
        if not re.fullmatch(rf"{number:04d}_[a-z0-9_]+\.sql", path.name):
            sys.exit(f"{path}: expected the name {number:04d}_….sql")
        text = path.read_text(encoding="utf-8")
        rows.append(f'    {{{number}, "{path.stem}",\n{c_string(text)}}},\n')
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text(
        '/* Made by db/migrations_generate.py. */\n#include "db/migrate.h"\n\n'
        "static const struct gw_db_migration files[] = {\n" + "".join(rows) + "};\n\n"
        "const struct gw_db_migration_set gw_db_migrations = "
        "{files, sizeof files / sizeof files[0]};\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
