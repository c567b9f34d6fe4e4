"""What a node in Python needs to be driven by splitbrain: a message a line on the standard streams.

    node = Node()

    @node.on("init")
    def init(message, body): ...

    node.run()

A handler is called for each type of message; whatever it sends is sent before the node says that it is done. Everything that
a node may know of the world comes in messages: it asks no clock, and draws from `node.random` alone. What it wants to tell a
person goes to standard error.
"""

import json
import random
import sys

HOST = "splitbrain"


class Node:
    def __init__(self):
        self.handlers = {}
        self.id = None
        self.peers = []
        self.random = random.Random(0)
        self.now = 0

    def on(self, kind):
        def register(handler):
            self.handlers[kind] = handler
            return handler

        return register

    def send(self, to, body, durable=False):
        """Sends a message; with `durable`, once all that was written so far survives a crash."""
        line = {"src": self.id, "dest": to, "body": body}
        if durable:
            line["durable"] = True
        sys.stdout.write(json.dumps(line) + "\n")

    def reply(self, message, body, durable=False):
        body["in_reply_to"] = message["body"]["msg_id"]
        self.send(message["src"], body, durable)

    def write(self, record):
        """Appends a record to the disk: `init` brings back those that survived."""
        self.send(HOST, {"type": "write", "record": record})

    def set_timer(self, timer, after_ms):
        self.send(HOST, {"type": "set_timer", "timer": timer, "after_ms": after_ms})

    def role(self, role, term):
        self.send(HOST, {"type": "role", "role": role, "term": term})

    def run(self):
        for line in sys.stdin:
            message = json.loads(line)
            body = message["body"]
            self.now = message["at"]
            if body["type"] == "init":
                self.id = body["node_id"]
                self.peers = [node for node in body["node_ids"] if node != self.id]
                self.random = random.Random(body["seed"])
            self.handlers[body["type"]](message, body)
            self.send(HOST, {"type": "done"})
            sys.stdout.flush()
