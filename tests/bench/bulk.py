"""Many jobs in one request: specs of an NDJSON body per second, each with an idempotency key.

The reference is `COPY` of the very rows the gateway made of them, jobs, specs, keys and events, in
one transaction into another PostgreSQL of the same settings.
"""

import time

from tests.bench import rows, tools

REFERENCE = "COPY of the same rows (jobs, specs, keys and events), one connection"
GOALS = {"ratio": ">= 0.65"}
# Parents before what refers to them.
TABLES = {"jobs": "id", "job_specs": "job_id", "idempotency": "job_id", "events": "job_id"}


def prepare(world):
    world.count = 500 if world.smoke else 50000
    world.copy = world.beside()
    world.bodies = 0
    world.gateway.start()
    submit(world, 100)  # statements are prepared, connections made


def submit(world, count):
    world.bodies += 1
    return tools.post_lines(world, [rows.SPEC | {"idempotency_key": f"{world.bodies}/{number}"}
                                    for number in range(count)])


def dump(world, ids):
    """The rows of these jobs, by table, as COPY writes them."""
    dumped = {}
    with world.cluster.connect(world.database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE chosen (id uuid PRIMARY KEY)")
        with cursor.copy("COPY chosen FROM STDIN") as copy:
            copy.write("\n".join(ids) + "\n")
        for table, column in TABLES.items():
            with cursor.copy(f"COPY (SELECT t.* FROM {table} t JOIN chosen c ON c.id = t.{column}) TO STDOUT") as copy:
                dumped[table] = b"".join(copy)
            if dumped[table].count(b"\n") != len(ids):
                raise RuntimeError(f"{table} has not one row for each job")
    return dumped


def load(world, dumped):
    """Copies them into the other database; the seconds to the end of the commit."""
    with world.copy.cluster.connect(world.copy.database) as connection:
        started = time.monotonic()
        with connection.transaction(), connection.cursor() as cursor:
            for table, data in dumped.items():
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    copy.write(data)
        return time.monotonic() - started


def run(world):
    seconds, ids = submit(world, world.count)
    copied = load(world, dump(world, ids))
    return {"ratio": copied / seconds, "specs_per_s": world.count / seconds, "copied_per_s": world.count / copied}
