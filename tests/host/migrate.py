#!/usr/bin/python3
"""The sample's own migration tool, on Flyway's history table. Leaves a line in /var/tmp/sample-migrate for each run."""

import getpass
import os
import pathlib
import re
import time
import zlib

import psycopg2

HERE = pathlib.Path(__file__).resolve().parent
restrained = re.search(r"NoNewPrivs:\s*(\d)", pathlib.Path("/proc/self/status").read_text(encoding="utf-8")).group(1)
with open("/var/tmp/sample-migrate", "a", encoding="utf-8") as file:
    file.write(f"{getpass.getuser()} {os.getcwd()} {os.environ.get('COLOUR')} restrained={restrained}\n")

connection = psycopg2.connect(host="/var/run/postgresql", dbname="sample", user="sample")
connection.autocommit = True
cursor = connection.cursor()
cursor.execute(
    "CREATE TABLE IF NOT EXISTS flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), description varchar(200)"
    " NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum int, installed_by varchar(100) NOT NULL,"
    " installed_on timestamp NOT NULL DEFAULT now(), execution_time int NOT NULL, success boolean NOT NULL)"
)
cursor.execute("SELECT version, installed_rank FROM flyway_schema_history")
known = dict(cursor.fetchall())
for script in sorted(HERE.glob("migrations/V*.sql"), key=lambda path: int(path.name[1:].split("__")[0])):
    version, name = script.stem[1:].split("__")
    if version in known:
        continue
    print(f"applying {script.name}", flush=True)
    text, begun, checksum = script.read_text(encoding="utf-8"), time.monotonic(), 0
    for line in text.splitlines():
        checksum = zlib.crc32(line.encode(), checksum)
    checksum -= (checksum >= 1 << 31) << 32
    for statement in filter(str.strip, text.split(";\n")):
        cursor.execute(statement)
    cursor.execute(
        "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, checksum, installed_by,"
        " execution_time, success) VALUES ((SELECT coalesce(max(installed_rank), 0) + 1 FROM flyway_schema_history), %s, %s, 'SQL', %s, %s,"
        " current_user, %s, true)",
        (version, name.replace("_", " "), script.name, checksum, int((time.monotonic() - begun) * 1000)),
    )
    print(f"applied {script.name}", flush=True)
