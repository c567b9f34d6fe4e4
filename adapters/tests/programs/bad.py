#!/usr/bin/env python3
"""A node that goes wrong, in the way that its argument says."""

import json
import os
import sys
import time

how = sys.argv[1]
for number, line in enumerate(sys.stdin):
    if how == "dies" and number == 3:
        raise ValueError("I can not go on")
    if how == "hangs":
        time.sleep(1000)
    if how == "closes":
        os.close(1)
        os.close(2)
        time.sleep(1000)
    if how == "prints":
        print("hello,", len(line), "bytes have come")
    if how == "nonsense":
        print(json.dumps({"dest": "n9", "body": {"type": "gossip"}}))
    print(json.dumps({"dest": "splitbrain", "body": {"type": "done"}}), flush=True)
