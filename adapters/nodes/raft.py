#!/usr/bin/env python3
"""A key-value store on Raft (the paper's figure 2), with sessions; reads go through the log. Without snapshots.

With `--forgetful` it does not write its votes down: a bug for the rules to find.
"""

import sys

from splitbrain import Node

ELECTION, HEARTBEAT = 0, 1
FORGETFUL = "--forgetful" in sys.argv

node = Node()
term, vote, role, leader = 0, None, "follower", None
log = []  # of {"term", "src", "body"}; the first one has index 1
commit, applied = 0, 0
votes, next_index, match_index = set(), {}, {}
waiting = {}  # index -> (term, message)
store, sessions = {}, {}


def last_term():
    return log[-1]["term"] if log else 0


def majority():
    return (len(node.peers) + 1) // 2 + 1


def save_vote():
    if not FORGETFUL:
        node.write({"term": term, "vote": vote})


def save_log(first):
    node.write({"first": first, "entries": log[first - 1 :]})


def wait():
    node.set_timer(ELECTION, node.random.randint(150, 300))


def follow(new_term, of=None):
    global term, vote, role, leader
    if new_term > term:
        term, vote = new_term, None
        save_vote()
    if role != "follower":
        node.role("follower", term)
    role, leader = "follower", of
    waiting.clear()


@node.on("init")
def init(message, body):
    global term, vote
    for record in body["records"]:
        if "entries" in record:
            del log[record["first"] - 1 :]
            log.extend(record["entries"])
        else:
            term, vote = record["term"], record["vote"]
    node.reply(message, {"type": "init_ok"})
    wait()


@node.on("timer")
def timer(message, body):
    global term, vote, role, leader, votes
    if body["timer"] == HEARTBEAT:
        if role == "leader":
            replicate_all()
        return
    wait()
    if role == "leader":
        return
    term, vote, role, leader, votes = term + 1, node.id, "candidate", None, {node.id}
    save_vote()
    node.role(role, term)
    for peer in node.peers:
        ask = {"type": "request_vote", "term": term, "last_index": len(log), "last_term": last_term()}
        node.send(peer, ask, durable=True)


@node.on("request_vote")
def request_vote(message, body):
    global vote
    if body["term"] > term:
        follow(body["term"])
    newer = (body["last_term"], body["last_index"]) >= (last_term(), len(log))
    granted = body["term"] == term and vote in (None, message["src"]) and newer
    if granted:
        vote = message["src"]
        save_vote()
        wait()
    node.send(message["src"], {"type": "vote", "term": term, "granted": granted}, durable=True)


@node.on("vote")
def on_vote(message, body):
    global role, leader
    if body["term"] > term:
        return follow(body["term"])
    if role != "candidate" or body["term"] != term or not body["granted"]:
        return
    votes.add(message["src"])
    if len(votes) < majority():
        return
    role, leader = "leader", node.id
    node.role(role, term)
    for peer in node.peers:
        next_index[peer], match_index[peer] = len(log) + 1, 0
    # An entry of its own term, so that those before it can be committed.
    log.append({"term": term, "src": None, "body": None})
    save_log(len(log))
    replicate_all()


def replicate_all():
    node.set_timer(HEARTBEAT, 50)
    for peer in node.peers:
        replicate(peer)


def replicate(peer):
    first = next_index[peer]
    entries = log[first - 1 : first + 31]
    previous = log[first - 2]["term"] if first > 1 else 0
    # What the leader counts itself among is durable here, too, before anybody hears of it.
    append = {"type": "append", "term": term, "first": first, "previous": previous, "entries": entries, "commit": commit}
    node.send(peer, append, durable=True)


@node.on("append")
def append(message, body):
    global commit
    if body["term"] < term:
        return node.send(message["src"], {"type": "append_reply", "term": term, "matches": None, "end": len(log)}, durable=True)
    follow(body["term"], message["src"])
    wait()
    first, entries = body["first"], body["entries"]
    if first > len(log) + 1 or (first > 1 and log[first - 2]["term"] != body["previous"]):
        end = min(len(log), first - 2)
        return node.send(message["src"], {"type": "append_reply", "term": term, "matches": None, "end": end}, durable=True)
    for at, entry in enumerate(entries, first):
        if at > len(log) or log[at - 1]["term"] != entry["term"]:
            del log[at - 1 :]
            log.extend(entries[at - first :])
            save_log(at)
            break
    matches = first - 1 + len(entries)
    commit = max(commit, min(body["commit"], matches))
    apply()
    node.send(message["src"], {"type": "append_reply", "term": term, "matches": matches, "end": matches}, durable=True)


@node.on("append_reply")
def append_reply(message, body):
    global commit
    peer = message["src"]
    if body["term"] > term:
        return follow(body["term"])
    if role != "leader" or body["term"] != term:
        return
    if body["matches"] is None:
        next_index[peer] = max(1, min(next_index[peer] - 1, body["end"] + 1))
        return replicate(peer)
    match_index[peer] = max(match_index[peer], body["matches"])
    next_index[peer] = match_index[peer] + 1
    agreed = sorted([len(log), *match_index.values()])[-majority()]
    if agreed > commit and log[agreed - 1]["term"] == term:
        commit = agreed
        apply()
        replicate_all()
    elif next_index[peer] <= len(log):
        replicate(peer)


def apply():
    global applied
    while applied < commit:
        applied += 1
        entry = log[applied - 1]
        answer = carry_out(entry["src"], entry["body"]) if entry["body"] else None
        of_term, message = waiting.pop(applied, (0, None))
        if message and answer and of_term == entry["term"]:
            node.reply(message, dict(answer), durable=True)


def carry_out(client, body):
    session = sessions.setdefault(client, {"floor": 0, "done": {}})
    session["floor"] = max(session["floor"], body["floor"])
    if body["op"] < session["floor"]:
        return None  # It ended for its client long ago.
    session["done"] = {op: answer for op, answer in session["done"].items() if op >= session["floor"]}
    if body["op"] not in session["done"]:
        session["done"][body["op"]] = execute(body)
    return session["done"][body["op"]]


def execute(body):
    key = body["key"]
    if body["type"] == "read":
        return {"type": "read_ok", "value": store.get(key)}
    if body["type"] == "cas":
        if store.get(key) != body["from"]:
            return {"type": "error", "code": 22}
        store[key] = body["to"]
        return {"type": "cas_ok"}
    store[key] = body["value"]
    return {"type": "write_ok"}


def ask(message, body):
    if role != "leader":
        no = {"type": "error", "code": 11, "text": "not the leader"}
        if leader:
            no["leader"] = leader
        return node.reply(message, no)
    log.append({"term": term, "src": message["src"], "body": body})
    waiting[len(log)] = (term, message)
    save_log(len(log))
    replicate_all()


for kind in ("read", "write", "cas"):
    node.on(kind)(ask)

node.run()
