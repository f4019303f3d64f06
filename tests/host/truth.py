#!/usr/bin/python3
"""Compares the status with systemd until a file appears: truth.py ENOUGH UNIT. Each answer is held against what the unit was when it was
looked at, as the answer itself says; one that was not looked at must say nothing of it."""

import datetime
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time

ENOUGH, UNIT = sys.argv[1:]
BEFORE, AFTER = 0.3, 2.5
states, answers = [], []


class Socket(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect("/run/upkeep/upkeep.sock")


def poll():
    while not os.path.exists(ENOUGH):
        try:
            client = Socket("upkeep")
            client.request("GET", "/v1/status")
            answers.append(json.loads(client.getresponse().read()))
        except (OSError, http.client.HTTPException, ValueError):
            pass
        time.sleep(0.1)


poller = threading.Thread(target=poll)
poller.start()
while not os.path.exists(ENOUGH):
    at = time.time()
    shown = subprocess.run(["systemctl", "show", "-P", "ActiveState", UNIT], capture_output=True, text=True, check=False)
    state = "running" if shown.stdout.strip() == "active" else "stopped"
    if not states or states[-1][1] != state:
        states.append((at, state))
    time.sleep(0.05)
poller.join()


def between(begin, end):
    before = [state for at, state in states if at <= begin][-1:]
    return before + [state for at, state in states if begin < at <= end]


def moment(text):
    """Python 3.11 reads no more than six digits of a second."""
    whole, _, part = text.rstrip("Z").partition(".")
    at = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return at.timestamp() + float(f"0.{part or 0}")


told = 0
for answer in answers:
    target = answer["targets"][0]
    if target["looked_at"] is None:
        assert target["service"] is None and target["release"] is None, answer
        continue
    told += 1
    looked = moment(target["looked_at"])
    true = between(looked - BEFORE, looked + AFTER)
    assert not true or target["service"] in true, f"{true} at {target['looked_at']}, and told: {json.dumps(target, indent=1)}"
    problems = [problem for problem in target["problems"] if "half-" in problem or "cut short" in problem]
    assert not problems, f"of our own making: {problems}"
print(f"{len(answers)} answers, {told} of them told of the server, which changed {len(states)} times")
assert answers, "nobody answered"
assert told, "no answer told of the server"
