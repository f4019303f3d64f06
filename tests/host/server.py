"""The sample server: notes in PostgreSQL over HTTP. Starts only on a database of exactly its own version."""

import http.server
import os
import sys

import psycopg2

HERE = os.path.dirname(os.path.abspath(__file__))


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read().strip()


VERSION, WANTS = read("VERSION"), read("WANTS")
SICK = os.path.exists(os.path.join(HERE, "SICK"))
connection = psycopg2.connect(host="/var/run/postgresql", dbname="sample", user="sample")
connection.autocommit = True


def ask(sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


head = ask("SELECT version FROM flyway_schema_history WHERE success ORDER BY installed_rank DESC LIMIT 1")
if head != WANTS:
    sys.exit(f"sample {VERSION} wants its database at {WANTS}, and it is at {head}")


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, code, text):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(f"{text}\n".encode())

    def do_GET(self):
        if self.path.startswith("/alive/"):
            print(f"pinged {self.path}", flush=True)
            self.answer(200, "heard")
        elif SICK:
            self.answer(503, "sick")
        else:
            self.answer(200, f"{VERSION} {ask('SELECT count(*) FROM note')}")

    def do_POST(self):
        if self.path == "/alarm":
            print(f"told {self.rfile.read(int(self.headers['Content-Length'])).decode()}", flush=True)
            return self.answer(200, "heard")
        return self.answer(200, ask("INSERT INTO note (text) VALUES (%s) RETURNING id", self.path))

    def log_message(self, *_):
        pass


print(f"sample {VERSION} serves", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
