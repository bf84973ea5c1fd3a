#!/usr/bin/env python3
"""Layers include downward only, and each library's header is included in its one place.

The table is ARCHITECTURE.md's: for each layer, the layers it may include besides itself.
"""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import sources

# Longest prefix first: what is in server/ itself is the process on top of everything.
LAYERS = {
    "server/base": (),
    "server/model": ("server/base",),
    "server/http": ("server/base",),
    "server/net": ("server/base",),
    "server/auth": ("server/base", "server/model", "server/net"),
    "db": ("server/base", "server/model"),
    "backends/kubernetes": ("server/base", "server/model", "server/net", "backends"),
    "backends/local/shim": ("server/base", "backends/local"),
    "backends/local": ("server/base", "server/model", "backends"),
    "backends/slurm/agent": ("server/base", "backends", "backends/slurm"),
    "backends/slurm/as_user": ("server/base", "backends", "backends/slurm"),
    "backends/slurm": ("server/base", "server/model", "backends"),
    "backends": ("server/base", "server/model", "backends/local", "backends/slurm", "backends/kubernetes"),
    "server/engine": ("server/base", "server/model", "server/auth", "server/http", "db", "backends"),
    "routes": ("server/base", "server/model", "server/http", "server/auth", "server/engine", "db", "backends"),
    "server": ("server/base", "server/model", "server/http", "server/net", "server/auth", "server/engine",
               "routes", "db", "backends", "backends/local"),
}
# Where the backends' own registry knows the kinds; nobody else does.
ONLY_REGISTRY = {"backends": "backends/registry.c"}
GENERATED = {"openapi/schemas.h": "server/model", "openapi/operations.h": "routes", "openapi/document.h": "routes"}
LIBRARIES = {
    "microhttpd.h": ("server/http/",),
    "libpq-fe.h": ("db/",),
    # Its licence is the GPL, and reaches the program that is linked to it: one of its own.
    "slurm/": ("backends/slurm/agent/",),
    "curl/curl.h": ("server/net/",),
    "libfyaml.h": ("server/base/yaml.c",),
    "openssl/": ("server/base/", "server/auth/", "db/migrate.c", "backends/slurm/token.c"),
    "jansson.h": ("",),
}
SYSTEM = re.compile(r"^([a-z0-9_]+|sys/[a-z0-9_]+|netinet/[a-z0-9_]+|arpa/[a-z0-9_]+|net/[a-z0-9_]+"
                    r"|linux/[a-z0-9_]+|sanitizer/[a-z0-9_]+)\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


def layer_of(path):
    fitting = [layer for layer in LAYERS if path.startswith(layer + "/")]
    return max(fitting, key=len, default=None)


def check_own(path, target, tree):
    """An include in quotes, by layer."""
    mine = layer_of(path)
    theirs = GENERATED.get(target) or layer_of(target)
    if theirs is None or not (target in GENERATED or (tree / target).exists()):
        return f'"{target}" is no path from the root of the repository'
    if theirs == mine or theirs in LAYERS[mine]:
        if mine in ONLY_REGISTRY and theirs.startswith(mine + "/") and path != ONLY_REGISTRY[mine]:
            return f"only {ONLY_REGISTRY[mine]} may know {theirs}"
        return None
    return f"{mine} may not include {theirs}"


def check_library(path, target):
    for library, places in LIBRARIES.items():
        if target.startswith(library):
            if path.startswith(places):
                return None
            return f"<{target}> belongs to {' or '.join(places)}"
    return None if SYSTEM.match(target) else f"<{target}> has no place yet: name one in this rule"


def main():
    tree, findings = sources.root(), []
    for path in map(str, sources.production(tree)):
        text = (tree / path).read_text()
        for match in INCLUDE.finditer(text):
            kind, target = match.groups()
            fault = check_own(path, target, tree) if kind == '"' else check_library(path, target)
            if fault:
                findings.append(f"{path}:{text.count(chr(10), 0, match.start(2)) + 1}: {fault}")
    sources.finish(findings)


main()
