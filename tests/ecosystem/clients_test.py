"""Clients generated from the served document compile, and run the first ten minutes."""

import json

import pytest

from tests.ecosystem import install
from tests.harness import system

TSC = install.NODE / "node_modules/.bin/tsc"


@pytest.fixture
def generate(desk, gateway):
    """Makes a client with openapi-generator from the document that the gateway serves."""
    document = system.own_file(desk.folder / "openapi.json", gateway.client().get("/openapi.json").text)

    def make(language, folder, *options):
        desk.run("java", "-Xmx512m", "-jar", install.GENERATOR_JAR, "generate", "-g", language, "-i", document,
                 "-o", folder, *options)
        return folder

    return make


def compile_typescript(desk, program):
    """Strictly; the JavaScript made of it."""
    place = program.parent
    (place / "node_modules").symlink_to(install.NODE / "node_modules")
    system.own_file(place / "package.json", '{"type": "module"}')
    system.own_file(place / "tsconfig.json", json.dumps({
        "compilerOptions": {"strict": True, "target": "es2022", "module": "esnext", "moduleResolution": "bundler",
                            "skipLibCheck": True, "types": ["node"], "lib": ["es2022", "dom", "dom.iterable"],
                            "outDir": "made"},
        "files": [program.name]}))
    desk.run(TSC, "-p", "tsconfig.json", cwd=place)
    return place / "made" / program.with_suffix(".js").name


def assert_ten_minutes(desk, said):
    assert said.splitlines()[-1] == "ten minutes are over"
    ended = [desk.member.client.wait(job["id"]) for job in desk.jobs()]
    assert [(job["name"], job["state"]) for job in ended] == [
        ("hello", "succeeded"), ("train", "succeeded"), ("sweep", "failed"), ("sweep", "failed"), ("job", "cancelled"),
        ("job", "succeeded"), ("job", "failed")]


def test_the_python_client(desk, generate):
    place = generate("python", desk.folder / "clients/python", "--package-name", "jobgate_client")
    desk.run("python", "-m", "compileall", "-q", "-f", "jobgate_client", cwd=place, PYTHONDONTWRITEBYTECODE="")
    assert_ten_minutes(desk, desk.run("python", "ten_minutes.py", cwd=place))


def test_the_typescript_client(desk, generate):
    place = desk.folder / "clients/typescript"
    generate("typescript-fetch", place / "client", "--additional-properties", "importFileExtension=.js")
    assert_ten_minutes(desk, desk.run("node", compile_typescript(desk, place / "ten_minutes.ts"), cwd=place))


def test_the_go_client(desk, generate):
    place = desk.folder / "clients/go"
    generate("go", place / "client", "--additional-properties", "packageName=client,withGoMod=false",
             "--global-property", "apiTests=false")
    desk.run("go", "vet", "./...", cwd=place)
    desk.run("go", "build", "-o", "ten_minutes", ".", cwd=place)
    assert_ten_minutes(desk, desk.run(place / "ten_minutes", cwd=place))


def test_the_types_for_typescript(desk, gateway):
    place = desk.folder / "clients/openapi-typescript"
    document = system.own_file(desk.folder / "openapi.json", gateway.client().get("/openapi.json").text)
    desk.run("openapi-typescript", document, "--default-non-nullable", "false", "-o",
             place / "jobgate.ts")
    assert_ten_minutes(desk, desk.run("node", compile_typescript(desk, place / "ten_minutes.ts"), cwd=place))
